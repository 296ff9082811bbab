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
 */
record LoraFolder(Path path, String config, String weights, String what) {

  static LoraFolder ofAdapter(Path path) {
    return new LoraFolder(path, LoraConfig.FILE, "adapter_model.safetensors", "an adapter");
  }

  static LoraFolder ofExperts(Path path) {
    return new LoraFolder(path, MoeConfig.FILE, MoeModel.WEIGHTS, "a model of experts");
  }

  /**
   * @param read adapters that the tensors are computed of
   * @param replace whether what lies there is replaced
   * @throws IOException when something does and is not to be, or the folder is one that is read
   */
  void claim(List<LoraAdapter> read, boolean replace) throws IOException {
    claim(read, List.of(), replace);
  }

  /**
   * The same where more is written than tensors and configuration.
   *
   * @param more names of these files
   */
  void claim(List<LoraAdapter> read, List<String> more, boolean replace) throws IOException {
    Files.createDirectories(path);
    for (LoraAdapter adapter : read) {
      Optional<Path> other = adapter.path();
      if (other.isPresent() && Files.isSameFile(path, other.get())) {
        throw new IOException(path + " is read; name another folder");
      }
    }
    if (!replace && (Files.exists(path.resolve(config)) || Files.exists(path.resolve(weights)))) {
      throw new FileAlreadyExistsException(
          path.toString(), null, "it holds " + what + "; name another folder, or replace it");
    }
    for (String name : more) {
      if (!replace && Files.exists(path.resolve(name))) {
        throw new FileAlreadyExistsException(
            path.toString(), null, "it holds " + name + "; name another folder, or replace it");
      }
    }
  }

  /** What lies there is nothing from then on. */
  void invalidate() throws IOException {
    Files.deleteIfExists(path.resolve(config));
  }

  /** Of a folder that was claimed; what is replaced stays until all is computed. */
  void write(Checkpoint tensors, String text, Workspace ws) throws IOException {
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
