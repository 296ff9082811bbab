// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Counted;

/** Tensors that all models share are compared once, whatever is read of them, and by whom. */
class ComparedTensorsTest {
  private static final int ROWS = 500;
  private static final int ROW = 1000;

  private static final int PARTS = 10;

  /** Infinities in the second and in the last tenth, elsewhere values that come out rounded. */
  private static float[] mask(boolean infinities) {
    Random random = new Random(7);
    float[] values = new float[ROWS * ROW];
    for (int i = 0; i < values.length; i++) {
      values[i] = 1 + random.nextFloat();
    }
    for (int at : new int[] {ROWS * ROW / PARTS + 5, ROWS * ROW / PARTS + 7, ROWS * ROW - 1}) {
      values[at] = infinities ? Float.NEGATIVE_INFINITY : 1;
    }
    return values;
  }

  private static Checkpoint merged(Merger method, float[] values) throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    int count = Math.min(3, method.needs().most());
    for (int k = 0; k < count; k++) {
      models.add(MemoryCheckpoint.of(Map.of("mask", Tensor.of(values, ROWS, ROW))));
    }
    return method.merge(MergeProblem.of(models), WS);
  }

  /** Each part for itself, in an order that finds the infinities first, last or in between. */
  @ParameterizedTest
  @CsvSource({"linear, 1", "linear, 2", "linear, 4", "slerp, 1", "slerp, 3", "nuslerp, 2"})
  void aMaskIsTheSameWhateverIsReadFirst(String id, int threads) throws Exception {
    Merger method =
        id.equals("linear")
            ? LinearMerger.weights(0.1, 0.3, 0.7)
            : Catalogue.mergers().method(id.equals("nuslerp") ? "nuslerp:row-wise=true" : id);
    float[] values = mask(true);
    float[] whole = merged(method, values).read("mask", WS).toFloatArray();
    float[] finite = merged(method, mask(false)).read("mask", WS).toFloatArray();
    boolean copied = id.equals("slerp");
    for (int i = 0; i < values.length; i++) {
      boolean infinite = Float.isInfinite(values[i]);
      boolean near = id.equals("nuslerp") && Math.abs(whole[i] - values[i]) < 1e-6;
      if (!near) {
        assertThat(whole[i]).isEqualTo(infinite || copied ? values[i] : finite[i]);
      }
    }
    List<Integer> parts = new ArrayList<>();
    for (int part = 0; part < PARTS; part++) {
      parts.add(part);
    }
    Collections.shuffle(parts, new Random(threads));
    Checkpoint merged = merged(method, values);
    try (Threads all = new Threads(threads)) {
      all.all(parts.stream().<Callable<Void>>map(part -> () -> read(merged, whole, part)).toList());
    }
  }

  private static Void read(Checkpoint merged, float[] values, int part) throws IOException {
    int length = values.length / PARTS;
    try (Workspace own = Workspace.builder().threads(1).open();
        Tensor read = Tensor.allocate(DType.F32, length)) {
      merged.readRange("mask", (long) part * length, (part + 1L) * length, read, own);
      for (int i = 0; i < length; i++) {
        assertThat(read.get(i)).isEqualTo(values[part * length + i]);
      }
    }
    return null;
  }

  /** The reference is read to compare it with all others at once, and to be copied. */
  @Test
  void integersAreComparedOnceByAllThreads() throws Exception {
    byte[] bytes = new byte[1 << 20];
    new Random(3).nextBytes(bytes);
    List<Counted> models = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      Tensor tensor = Tensor.allocate(DType.U8, bytes.length);
      for (int i = 0; i < bytes.length; i++) {
        tensor.memory().putByte(i, bytes[i]);
      }
      models.add(new Counted(MemoryCheckpoint.of(Map.of("ids", tensor))));
    }
    Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(models), WS);
    int length = bytes.length / 8;
    List<Callable<Void>> reads = new ArrayList<>();
    for (int part = 0; part < 8; part++) {
      long from = (long) part * length;
      reads.add(
          () -> {
            try (Tensor read = Tensor.allocate(DType.U8, length)) {
              merged.readRange("ids", from, from + length, read, WS);
            }
            return null;
          });
    }
    try (Threads threads = new Threads(4)) {
      threads.all(reads);
    }
    assertThat(models.stream().mapToLong(Counted::elements).sum())
        .isEqualTo(merged.cost("ids").reads());
  }
}
