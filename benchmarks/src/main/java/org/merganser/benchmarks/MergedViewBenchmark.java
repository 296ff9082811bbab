// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.merganser.align.Alignment;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A merged view of two models in files that the system has in memory, the second aligned by a
 * permutation of its rows, read in so many tiles: the number must not matter.
 */
public class MergedViewBenchmark extends KernelBenchmark {
  private static final int ROWS = 4096;
  private static final int COLUMNS = 4884;

  @Param({"1", "10", "50", "400"})
  int tiles;

  @Param({"linear", "slerp"})
  String merger;

  private Path folder;
  private Checkpoint a;
  private Checkpoint b;
  private Checkpoint merged;
  private Tensor tile;

  @Setup
  public void setUp() throws IOException {
    open();
    folder = Files.createTempDirectory("merged-view");
    a = file("a", 1);
    b = file("b", 2);
    int[] order = new int[ROWS];
    for (int r = 0; r < ROWS; r++) {
      order[r] = (r * 1021 + 7) % ROWS;
    }
    Architecture architecture =
        Architecture.builder()
            .space("s", ROWS, MapFamily.PERMUTATION, Binding.of("w", 0, Role.WEIGHT_OUT))
            .build();
    Alignment alignment =
        Alignment.of("order", architecture, Map.of("s", ScaledPermutation.of(order)));
    Merger method = Catalogue.mergers().method(merger);
    merged = method.merge(MergeProblem.of(a, alignment.apply(b)), ws);
    tile = Tensor.allocate(DType.F32, (ROWS + tiles - 1) / tiles * (long) COLUMNS);
    read();
  }

  private Checkpoint file(String name, long seed) throws IOException {
    Path path = folder.resolve(name + ".safetensors");
    long count = (long) ROWS * COLUMNS;
    try (Tensor w = Tensor.over(Buffers.uniform(count, seed), DType.F32, ROWS, COLUMNS);
        MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("w", w))) {
      Safetensors.write(model, path, ws);
    }
    return Safetensors.open(path);
  }

  @TearDown
  public void tearDown() throws IOException {
    tile.close();
    a.close();
    b.close();
    Files.delete(folder.resolve("a.safetensors"));
    Files.delete(folder.resolve("b.safetensors"));
    Files.delete(folder);
    ws.close();
  }

  @Benchmark
  public void read() throws IOException {
    Work.bytes(3.0 * 4 * ROWS * COLUMNS);
    long rows = (ROWS + tiles - 1) / tiles;
    for (long from = 0; from < ROWS; from += rows) {
      long count = Math.min(ROWS, from + rows) - from;
      try (Tensor part = tile.rows(0, count * COLUMNS)) {
        merged.readRange("w", from * COLUMNS, (from + count) * COLUMNS, part, ws);
      }
    }
  }
}
