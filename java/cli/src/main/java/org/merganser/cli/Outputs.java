// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.merganser.io.Safetensors;

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
      for (Path file : Safetensors.files(input)) {
        if (isSame(out, file)) {
          throw new IllegalArgumentException(
              "-o " + out + " is one of the models; choose another file");
        }
      }
      requireUnread(out, input);
    }
    for (Path input : others) {
      if (isInput(out, input)) {
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
    if (!Files.isWritable(folder)) {
      throw new IOException(
          "cannot write "
              + out
              + ": nothing can be written to "
              + folder
              + "; choose another folder");
    }
  }

  /** Whatever path or link leads to it. */
  private static boolean isSame(Path out, Path input) throws IOException {
    return Files.exists(out) && Files.exists(input) && Files.isSameFile(out, input);
  }

  private static boolean isIn(Path out, Path folder) throws IOException {
    Path parent = out.toAbsolutePath().getParent();
    return parent != null && Files.isDirectory(folder) && isSame(parent, folder);
  }

  /** A model given as a folder must be the same model after the run. */
  private static void requireUnread(Path out, Path model) throws IOException {
    String name = String.valueOf(out.getFileName());
    List<String> usual = List.of("model.safetensors.index.json", "model.safetensors");
    boolean fixed =
        isIn(out, model)
            && Safetensors.files(model).stream()
                .anyMatch(file -> usual.contains(file.getFileName().toString()));
    if (isIn(out, model)
        && (usual.contains(name)
            || !fixed && (name.endsWith(".safetensors") || name.endsWith(".json")))) {
      throw new IllegalArgumentException(
          "-o "
              + out
              + " would be read as a part of the model "
              + model
              + " by the next run; choose another folder");
    }
  }

  /** An input, an array in a folder of activations, or one that would be taken for such. */
  private static boolean isInput(Path out, Path input) throws IOException {
    if (!Files.isDirectory(input)) {
      return isSame(out, input);
    }
    if (isIn(out, input) && out.toString().endsWith(".npy")) {
      return true;
    }
    try (DirectoryStream<Path> arrays = Files.newDirectoryStream(input, "*.npy")) {
      for (Path array : arrays) {
        if (isSame(out, array)) {
          return true;
        }
      }
    }
    return false;
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
