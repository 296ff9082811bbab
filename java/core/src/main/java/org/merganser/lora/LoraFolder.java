// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.TextFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;

/**
 * A folder with a file of tensors and a configuration, without which it is nothing and with which
 * it is whole: of an adapter as PEFT loads it, or of experts.
 *
 * @param what it holds, for messages
 * @param marks files of which each says that it does
 */
record LoraFolder(Path path, String config, String weights, String what, List<String> marks) {

  /** Weights alone may be all that somebody has of an adapter. */
  static LoraFolder ofAdapter(Path path) {
    String weights = "adapter_model.safetensors";
    List<String> marks = List.of(LoraConfig.FILE, weights);
    return new LoraFolder(path, LoraConfig.FILE, weights, "an adapter", marks);
  }

  /** Weights alone are what a run that was killed has left. */
  static LoraFolder ofExperts(Path path) {
    List<String> marks = List.of(MoeConfig.FILE);
    return new LoraFolder(path, MoeConfig.FILE, MoeModel.WEIGHTS, "a model of experts", marks);
  }

  /**
   * @param read adapters that the tensors are computed of
   * @param replace whether what lies there is replaced
   * @throws IOException when something does and is not to be, or the folder is one that is read
   */
  void claim(List<LoraAdapter> read, boolean replace) throws IOException {
    Files.createDirectories(path);
    for (LoraAdapter adapter : read) {
      Optional<Path> other = adapter.path();
      if (other.isPresent() && Files.isSameFile(path, other.get())) {
        throw new IOException(path + " is read; name another folder");
      }
    }
    check(List.of(), replace);
  }

  /**
   * Makes nothing.
   *
   * @param more names of files that are written beside tensors and configuration
   * @param replace whether what lies there is replaced
   * @throws IOException when something does and is not to be, or the folder is a file
   */
  void check(List<String> more, boolean replace) throws IOException {
    if (Files.exists(path) && !Files.isDirectory(path)) {
      throw new FileAlreadyExistsException(
          path.toString(), null, "it is a file, and is to be a folder; name another");
    }
    if (!replace && marks.stream().map(path::resolve).anyMatch(Files::exists)) {
      throw holds(what);
    }
    for (String name : more) {
      if (!replace && Files.exists(path.resolve(name))) {
        throw holds(name);
      }
    }
  }

  private IOException holds(String something) {
    return new FileAlreadyExistsException(
        path.toString(), null, "it holds " + something + "; name another folder, or replace it");
  }

  /** What lies there is nothing from then on. */
  void invalidate() throws IOException {
    Files.deleteIfExists(path.resolve(config));
  }

  /** Of a folder that was looked at; what is replaced stays until all is computed. */
  void write(Checkpoint tensors, String text, Workspace ws) throws IOException {
    Files.createDirectories(path);
    Path beside = path.resolve(weights + ".new");
    try {
      Safetensors.write(tensors, beside, ws);
      invalidate();
      Files.move(beside, path.resolve(weights), StandardCopyOption.REPLACE_EXISTING);
      TextFile.write(path.resolve(config), text);
    } finally {
      Files.deleteIfExists(beside);
    }
  }
}
