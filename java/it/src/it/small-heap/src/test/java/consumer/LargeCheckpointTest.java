// SPDX-License-Identifier: Apache-2.0
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;

/** Memory is bounded by a few tensors, not by models. */
class LargeCheckpointTest {
  private static final int TENSORS = 48;
  private static final int SIZE = 2 << 20;

  @Test
  void mergesACheckpointLargerThanTheHeap(@TempDir Path folder) throws IOException {
    try (Workspace ws = Workspace.open()) {
      Path a = folder.resolve("a.safetensors");
      Path b = folder.resolve("b.safetensors");
      Path out = folder.resolve("merged.safetensors");
      Safetensors.write(new Constant(1), a, ws);
      Safetensors.write(new Constant(3), b, ws);
      assertTrue(Files.size(a) > Runtime.getRuntime().maxMemory());
      try (Checkpoint first = Safetensors.open(a);
          Checkpoint second = Safetensors.open(b);
          Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(first, second), ws)) {
        Safetensors.write(merged, out, ws);
      }
      try (Checkpoint merged = Safetensors.open(out);
          Tensor last = merged.read("t" + (TENSORS - 1), ws)) {
        assertEquals(TENSORS, merged.tensors().size());
        assertEquals(2, last.get(SIZE - 1));
      }
    }
  }

  /** Computes its tensors when they are read. */
  private record Constant(double value) implements Checkpoint {
    @Override
    public Map<String, TensorInfo> tensors() {
      Map<String, TensorInfo> infos = new LinkedHashMap<>();
      for (int i = 0; i < TENSORS; i++) {
        infos.put("t" + i, TensorInfo.of(DType.F32, SIZE));
      }
      return Collections.unmodifiableMap(infos);
    }

    @Override
    public void readRange(String name, long from, long to, Tensor into, Workspace ws) {
      for (long i = 0; i < to - from; i++) {
        into.set(i, value);
      }
    }
  }
}
