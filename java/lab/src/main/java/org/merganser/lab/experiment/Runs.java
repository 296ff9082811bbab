// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.method.Setting;

/** Settings of every experiment: how often it is run, and where its files go. */
public record Runs(
    @Setting(value = "groups of models, each with its own seeds", min = 1) int seeds,
    @Setting("first seed") long seed,
    @Setting("keep models, statistics and what was merged in DIR/pair-I") Optional<Path> keep,
    @Setting(
            "where results.json and report.html go; a folder named after the experiment unless set")
        Optional<Path> out) {

  /** Writes a model of a group, counted from 0, when files are kept. */
  void keep(int group, String name, Checkpoint model, Workspace ws) throws IOException {
    if (keep.isPresent()) {
      Safetensors.write(model, folder(group).resolve(name + ".safetensors"), ws);
    }
  }

  /** Of what is kept of a group. */
  Path folder(int group) throws IOException {
    return Files.createDirectories(keep.orElseThrow().resolve("pair-" + group));
  }

  /** One group, from seed 0. */
  public static Runs defaults() {
    return new Runs(1, 0, Optional.empty(), Optional.empty());
  }
}
