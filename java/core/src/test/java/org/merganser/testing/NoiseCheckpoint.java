// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** A model whose elements follow from a seed, their names and places: as large as one likes. */
public final class NoiseCheckpoint extends CheckpointView {
  private final long seed;
  private final long block;

  /**
   * @param block elements that are made at once
   */
  public NoiseCheckpoint(Map<String, TensorInfo> tensors, long seed, long block) {
    super(tensors, List.of(MemoryCheckpoint.of(Map.of())));
    this.seed = seed;
    this.block = block;
  }

  /** Small and large tensors, empty ones and scalars, of some types. */
  public static Map<String, TensorInfo> shapes() {
    Map<String, TensorInfo> shapes = new LinkedHashMap<>();
    shapes.put("embed", TensorInfo.of(DType.BF16, 1400, 960));
    shapes.put("norm", TensorInfo.of(DType.BF16, 960));
    shapes.put("large", TensorInfo.of(DType.F32, 1_500_001));
    shapes.put("none", TensorInfo.of(DType.F32, 0, 7));
    shapes.put("scalar", TensorInfo.of(DType.F32));
    shapes.put("kernel", TensorInfo.of(DType.F16, 64, 3, 3, 3));
    shapes.put("planes", TensorInfo.of(DType.F32, 3, 700, 800));
    return shapes;
  }

  @Override
  public long block(String name) {
    return Math.max(1, Math.min(block, info(name).size()));
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    float[] values = new float[(int) (to - from)];
    for (int i = 0; i < values.length; i++) {
      long bits = (seed * 31 + name.hashCode()) * 0x9E3779B97F4A7C15L + (from + i);
      bits = (bits ^ bits >>> 31) * 0xBF58476D1CE4E5B9L;
      values[i] = (float) ((bits ^ bits >>> 29) >> 40) * 0x1p-24f;
    }
    try (Tensor made = Tensor.of(values, to - from)) {
      into.convertFrom(made, ws);
    }
  }

  /** A view that takes a while for each reading, so that a process can be killed in the middle. */
  public static Checkpoint slow(Checkpoint source, long millis) {
    return new CheckpointView(source) {
      @Override
      protected void fill(String name, long from, long to, Tensor into, Workspace ws)
          throws IOException {
        try {
          Thread.sleep(millis);
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
        source.readRange(name, from, to, into, ws);
      }
    };
  }
}
