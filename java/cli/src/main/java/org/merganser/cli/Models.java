// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;

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

  Checkpoint first() {
    return checkpoints.get(0);
  }

  /** One folder for two models is a slip: their features would be taken for the same. */
  void requireOwn(List<Path> folders) throws IOException {
    for (int i = 0; i < folders.size() && i < paths.size(); i++) {
      for (int j = 0; j < i; j++) {
        if (Output.isSame(folders.get(i), folders.get(j))
            && !Output.isSame(paths.get(i), paths.get(j))) {
          throw new IllegalArgumentException(
              "models %s and %s are given the activations of one folder, %s; give each its own"
                  .formatted(paths.get(j), paths.get(i), folders.get(i)));
        }
      }
    }
  }

  @Override
  public void close() {
    checkpoints.forEach(Checkpoint::close);
  }
}
