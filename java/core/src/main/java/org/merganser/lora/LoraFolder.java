// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.TextFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;

/** Writes folders as PEFT loads them. */
final class LoraFolder {
  private static final String WEIGHTS = "adapter_model.safetensors";

  private LoraFolder() {}

  /**
   * @param read adapters that the tensors are computed of
   * @param replace whether an adapter that lies there is replaced
   * @throws IOException when one does and is not to be, or the folder is one that is read
   */
  static void write(
      Path folder,
      List<LoraAdapter> read,
      Checkpoint tensors,
      String text,
      boolean replace,
      Workspace ws)
      throws IOException {
    Path config = folder.resolve(LoraConfig.FILE);
    Path weights = folder.resolve(WEIGHTS);
    Files.createDirectories(folder);
    for (LoraAdapter adapter : read) {
      if (adapter.path().isPresent() && Files.isSameFile(folder, adapter.path().get())) {
        throw new IOException(folder + " is read; name another folder");
      }
    }
    if (!replace && (Files.exists(config) || Files.exists(weights))) {
      throw new FileAlreadyExistsException(
          folder.toString(), null, "it holds an adapter; name another folder, or replace it");
    }
    Path beside = folder.resolve(WEIGHTS + ".new");
    try {
      // What is replaced stays until all is computed.
      Safetensors.write(tensors, beside, ws);
      // Without its configuration a folder is no adapter, and with it a whole one.
      Files.deleteIfExists(config);
      Files.move(beside, weights, StandardCopyOption.REPLACE_EXISTING);
      TextFile.write(config, text);
    } finally {
      Files.deleteIfExists(beside);
    }
  }
}
