// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.model.Architecture;

/** Opened checkpoints, closed together. */
record Models(List<Path> paths, List<Checkpoint> checkpoints) implements AutoCloseable {

  static Models open(List<Path> paths) throws IOException {
    if (paths.size() < 2) {
      throw new IllegalArgumentException("give at least two models, not " + paths.size());
    }
    List<Checkpoint> opened = new ArrayList<>();
    try {
      for (Path path : paths) {
        opened.add(Safetensors.open(path));
      }
      return new Models(paths, opened);
    } catch (IOException | RuntimeException e) {
      opened.forEach(Checkpoint::close);
      throw e;
    }
  }

  void require(Architecture architecture) {
    for (int k = 0; k < checkpoints.size(); k++) {
      architecture.require(paths.get(k).toString(), checkpoints.get(k));
    }
  }

  @Override
  public void close() {
    checkpoints.forEach(Checkpoint::close);
  }
}
