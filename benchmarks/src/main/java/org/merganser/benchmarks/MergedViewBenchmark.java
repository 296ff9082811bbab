// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
 * A merged view read in so many tiles: the number must not matter, 10 % at most. The models lie in
 * memory or in files that the system has in memory; of aligned ones the second is seen through a
 * permutation of its rows.
 */
public class MergedViewBenchmark extends KernelBenchmark {
  private static final int ROWS = 4096;
  private static final int COLUMNS = 4884;

  @Param({"1", "10", "50", "400"})
  int tiles;

  @Param({"linear", "slerp", "task-arithmetic", "ties"})
  String merger;

  @Param({"memory", "file", "aligned"})
  String source;

  private final List<Checkpoint> models = new ArrayList<>();
  private Path folder;
  private Checkpoint merged;

  /** What is read goes to its place, so that every number of tiles writes the same memory. */
  private Tensor whole;

  /** Read and written. */
  private int arrays;

  @Setup
  public void setUp() throws IOException {
    open();
    folder = Files.createTempDirectory("merged-view");
    Merger method = Catalogue.mergers().method(merger);
    for (int k = 0; k < 3; k++) {
      models.add(model(k));
    }
    Checkpoint second = source.equals("aligned") ? aligned(models.get(1)) : models.get(1);
    MergeProblem problem = MergeProblem.of(models.get(0), second);
    merged = method.merge(method.needs().base() ? problem.withBase(models.get(2)) : problem, ws);
    arrays = method.needs().base() ? 4 : 3;
    whole = Tensor.allocate(DType.F32, (long) ROWS * COLUMNS);
    read();
  }

  private Checkpoint model(int k) throws IOException {
    long count = (long) ROWS * COLUMNS;
    Tensor w = Tensor.over(Buffers.uniform(count, k + 1), DType.F32, ROWS, COLUMNS);
    MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("w", w));
    if (source.equals("memory")) {
      return model;
    }
    try (model) {
      Path path = folder.resolve(k + ".safetensors");
      Safetensors.write(model, path, ws);
      return Safetensors.open(path);
    }
  }

  private static Checkpoint aligned(Checkpoint model) {
    int[] order = new int[ROWS];
    for (int r = 0; r < ROWS; r++) {
      order[r] = (r * 1021 + 7) % ROWS;
    }
    Architecture architecture =
        Architecture.builder()
            .space("s", ROWS, MapFamily.PERMUTATION, Binding.of("w", 0, Role.WEIGHT_OUT))
            .build();
    return Alignment.of("order", architecture, Map.of("s", ScaledPermutation.of(order)))
        .apply(model);
  }

  @TearDown
  public void tearDown() throws IOException {
    whole.close();
    models.forEach(Checkpoint::close);
    for (int k = 0; k < models.size(); k++) {
      Files.deleteIfExists(folder.resolve(k + ".safetensors"));
    }
    Files.delete(folder);
    ws.close();
  }

  @Benchmark
  public void read() throws IOException {
    Work.bytes(4.0 * arrays * ROWS * COLUMNS);
    long rows = (ROWS + tiles - 1) / tiles;
    for (long from = 0; from < ROWS; from += rows) {
      long count = Math.min(ROWS, from + rows) - from;
      try (Tensor part = whole.rows(from * COLUMNS, (from + count) * COLUMNS)) {
        merged.readRange("w", from * COLUMNS, (from + count) * COLUMNS, part, ws);
      }
    }
  }
}
