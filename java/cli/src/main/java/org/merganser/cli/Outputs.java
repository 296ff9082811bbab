// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Checks of where results go, before any work: a long run must not end on a name it cannot use. */
final class Outputs {
  private Outputs() {}

  /**
   * A file to be written.
   *
   * @param models models that it must not replace, whatever path leads to them
   * @param others other inputs, likewise
   */
  static void requireFile(Path out, List<Path> models, List<Path> others) throws IOException {
    for (Path input : models) {
      if (isPartOf(out, input, ".safetensors")) {
        throw new IllegalArgumentException(
            "-o " + out + " is one of the models; choose another file");
      }
    }
    for (Path input : others) {
      if (isPartOf(out, input, ".npy")) {
        throw new IllegalArgumentException(
            "-o " + out + " is one of the inputs; choose another file");
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

  /**
   * Whether an existing file is the input itself, or one of its kind in the folder or index it is.
   */
  private static boolean isPartOf(Path out, Path input, String suffix) throws IOException {
    if (!Files.exists(out) || !Files.exists(input)) {
      return false;
    }
    Path real = out.toRealPath();
    Path source = input.toRealPath();
    Path folder = Files.isDirectory(source) ? source : source.getParent();
    boolean several = Files.isDirectory(source) || source.toString().endsWith(".json");
    return real.equals(source)
        || several && real.getParent().equals(folder) && real.toString().endsWith(suffix);
  }

  /**
   * A folder for results, made when it is not there.
   *
   * @param made gets the folders that were made, outer ones first
   */
  static void makeFolder(Path folder, List<Path> made) throws IOException {
    List<Path> missing = new ArrayList<>();
    for (Path part = folder.toAbsolutePath(); part != null; part = part.getParent()) {
      if (!Files.exists(part)) {
        missing.add(0, part);
      } else {
        if (!Files.isDirectory(part)) {
          throw new IOException(
              "cannot make the folder " + folder + ": " + part + " is a file; choose another");
        }
        break;
      }
    }
    Files.createDirectories(folder);
    made.addAll(missing);
  }

  /** Removes folders that {@link #makeFolder} made, those that are still empty. */
  static void removeEmpty(List<Path> made) throws IOException {
    for (int i = made.size() - 1; i >= 0; i--) {
      try {
        Files.deleteIfExists(made.get(i));
      } catch (DirectoryNotEmptyException e) {
        // It holds something worth keeping, such as models already trained.
      }
    }
  }
}
