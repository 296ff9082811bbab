// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** Writes models of one value each into a folder, in turns, until it is killed. */
public final class FolderWriterProgram {
  private FolderWriterProgram() {}

  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      for (int turn = 1; ; turn++) {
        try (MemoryCheckpoint model = model(turn)) {
          // Four shards, then two, then one file.
          Safetensors.writeFolder(model, folder, new long[] {2048, 4096, 1 << 20}[turn % 3], ws);
        }
        System.out.println(turn);
      }
    }
  }

  /** Four tensors that are full of one value. */
  public static MemoryCheckpoint model(float value) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int k = 0; k < 4; k++) {
      float[] values = new float[512];
      Arrays.fill(values, value);
      tensors.put("t" + k, Tensor.of(values, 512));
    }
    return MemoryCheckpoint.of(tensors);
  }
}
