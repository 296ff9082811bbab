// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.Adapters;
import org.merganser.plan.Catalogue;
import org.merganser.testing.RunsOnce;
import org.merganser.testing.SettledMemory;

/** What a plan says is held is no less than what is. */
@RunsOnce("plans count tiles as the CPU takes them")
class PlannedMemoryTest {
  /** What a Workspace has for itself. */
  private static final long OWN = 1 << 20;

  private static Checkpoint model(DType dtype, long rows, long columns, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[Math.toIntExact(rows * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble() - 0.5f;
    }
    try (Tensor wide = Tensor.of(values, rows, columns)) {
      return MemoryCheckpoint.of(Map.of("w", wide.to(dtype, WS)));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "linear, BF16",
    "ties:density=0.5, BF16",
    "breadcrumbs:density=0.5, F16",
    "sce, BF16",
    "sce:select-topk=0.3, BF16",
    "sce:select-topk=0.3, F64",
    "arcee-fusion, BF16",
    "'dare-linear:density=0.5,rescale=l1', BF16",
    "'dare-ties:density=0.5,rescale=linf', F64",
    "'della:density=0.5,rescale=l1', BF16",
    "'della-linear:density=0.5,rescale=l2', F32"
  })
  void isAnUpperBound(String method, String type) throws Exception {
    DType dtype = DType.valueOf(type);
    Merger merger = Catalogue.mergers().method(method);
    List<Checkpoint> models = new ArrayList<>();
    for (int k = 0; k < Math.min(3, merger.needs().most()); k++) {
      models.add(model(dtype, 2500, 1000, k));
    }
    MergeProblem problem = MergeProblem.of(models);
    problem = merger.needs().base() ? problem.withBase(model(dtype, 2500, 1000, 9)) : problem;
    // As each writer of a shard has one.
    try (Workspace one = Workspace.builder().threads(1).open();
        Tensor into = Tensor.allocate(dtype, 2500, 1000)) {
      Checkpoint merged = merger.merge(problem, one);
      long before = SettledMemory.bytes();
      long most = most(() -> merged.read("w", into, one)) - before;
      assertThat(most).isBetween(1L, merged.cost("w").memory() + OWN);
    }
  }

  /** Importances are held in the type of arithmetic, Gram matrices and their factors whole. */
  @ParameterizedTest
  @CsvSource({
    "fisher, BF16, F32",
    "fisher, BF16, BF16",
    "fisher, F32, F64",
    "fisher, F64, F32",
    "fisher:normalise=true, F16, F32",
    "regmean, F32, F64",
    "regmean, BF16, F32",
    "regmean:transposed=true, F64, F32"
  })
  void importancesAreCounted(String method, String type, String stored) throws Exception {
    DType dtype = DType.valueOf(type);
    Merger merger = Catalogue.mergers().method(method);
    boolean grams = method.startsWith("regmean");
    long rows = grams ? 500 : 2500;
    long columns = grams ? 500 : 1000;
    List<Checkpoint> models = new ArrayList<>();
    List<Checkpoint> importances = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      models.add(model(dtype, rows, columns, k));
      importances.add(importance(DType.valueOf(stored), rows, columns, grams));
    }
    MergeProblem problem = MergeProblem.of(models).withImportances(importances);
    assertHeld(merger.merge(problem, WS), dtype, rows, columns);
  }

  private static Checkpoint importance(DType type, long rows, long columns, boolean gram) {
    float[] values = new float[Math.toIntExact(rows * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = gram && i % (columns + 1) != 0 ? 0.001f : 1;
    }
    try (Tensor wide = Tensor.of(values, rows, columns)) {
      return MemoryCheckpoint.of(Map.of("w", wide.to(type, WS)));
    }
  }

  /** A factor, a group of rows and the product of both. */
  @ParameterizedTest
  @CsvSource({"BF16", "F32", "F64"})
  void adaptersAreCounted(String type) throws Exception {
    DType dtype = DType.valueOf(type);
    Map<String, Tensor> tensor = Map.of("m.weight", model(dtype, 2500, 1000, 1).read("w", WS));
    assertHeld(Adapters.fold(MemoryCheckpoint.of(tensor), "m"), dtype, 2500, 1000);
  }

  private static void assertHeld(Checkpoint made, DType dtype, long rows, long columns)
      throws Exception {
    String name = made.tensors().keySet().iterator().next();
    try (Workspace one = Workspace.builder().threads(1).open();
        Tensor into = Tensor.allocate(dtype, rows, columns)) {
      long before = SettledMemory.bytes();
      long most = most(() -> made.read(name, into, one)) - before;
      assertThat(most).isBetween(1L, made.cost(name).memory() + OWN);
    }
  }

  private interface Reading {
    void run() throws IOException;
  }

  /** Looked at by another thread, so it may miss something, but sees nothing that is not there. */
  private static long most(Reading reading) throws Exception {
    AtomicLong most = new AtomicLong();
    Thread watching =
        new Thread(
            () -> {
              while (!Thread.currentThread().isInterrupted()) {
                most.accumulateAndGet(Natives.allocatedBytes(), Math::max);
              }
            });
    watching.start();
    try {
      // Until it has seen something: a short reading can end before it looks.
      long before = Natives.allocatedBytes();
      for (int i = 0; i < 100 && most.get() <= before; i++) {
        reading.run();
      }
    } finally {
      watching.interrupt();
      watching.join();
    }
    return most.get();
  }
}
