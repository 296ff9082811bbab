// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Checks of where results go, before any work: a long run must not end on a name it cannot use. */
final class Outputs {
  private Outputs() {}

  /**
   * A file to be written.
   *
   * @param inputs files that it must not replace, whatever path leads to them
   */
  static void requireFile(Path out, List<Path> inputs) throws IOException {
    for (Path input : inputs) {
      if (Files.exists(out) && Files.exists(input) && Files.isSameFile(out, input)) {
        throw new IllegalArgumentException(
            "-o " + out + " is one of the models; choose another file");
      }
    }
    if (Files.isDirectory(out)) {
      throw new IOException("cannot write " + out + ": it is a folder; name a file in it");
    }
    if (Files.exists(out) && !Files.isRegularFile(out)) {
      throw new IOException("cannot write " + out + ": it is no regular file");
    }
    Path folder = out.toAbsolutePath().getParent();
    if (!Files.isDirectory(folder)) {
      throw new IOException(
          Files.exists(folder)
              ? "cannot write " + out + ": " + folder + " is a file, not a folder"
              : "cannot write " + out + ": its folder does not exist; create it first");
    }
  }

  /** A folder for results, made when it is not there. */
  static void makeFolder(Path folder) throws IOException {
    for (Path part = folder.toAbsolutePath(); part != null; part = part.getParent()) {
      if (Files.exists(part)) {
        if (!Files.isDirectory(part)) {
          throw new IOException(
              "cannot make the folder " + folder + ": " + part + " is a file; choose another");
        }
        break;
      }
    }
    Files.createDirectories(folder);
  }
}
