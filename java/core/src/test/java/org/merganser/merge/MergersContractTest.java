// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Close;
import org.merganser.testing.Importances;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;

/** What every merger of the catalogue promises. */
class MergersContractTest {

  static Stream<String> mergers() {
    // What learns from data has tests of its own.
    return Catalogue.mergers().variants().stream().filter(id -> !merger(id).needs().objective());
  }

  /** Of those that give equal models back. */
  static Stream<Arguments> keepingAndTypes() {
    return mergers()
        .filter(id -> !(merger(id) instanceof TensorMerger method) || method.keepsEqual())
        .flatMap(
            id ->
                Stream.of(DType.F64, DType.F32, DType.F16, DType.BF16)
                    .map(t -> Arguments.of(id, t)));
  }

  @ParameterizedTest
  @MethodSource("keepingAndTypes")
  void aModelMergedWithItselfStaysAsItIs(String id, DType dtype) throws IOException {
    Checkpoint model = special(dtype);
    for (int models : new int[] {1, 2, 3, 7}) {
      // Three weights of 1/3 round in F64, where only narrower types have room to spare.
      if (takes(id, models) && (models < 3 || dtype != DType.F64)) {
        assertNoOp(id, model, models);
      }
    }
  }

  /** The number of models that a test would like, or the nearest that the method takes. */
  private static int models(String id, int wanted) {
    return Math.max(merger(id).needs().fewest(), Math.min(merger(id).needs().most(), wanted));
  }

  private static boolean takes(String id, int models) {
    return models(id, models) == models;
  }

  /** With the last of some models as the base of a method that needs one. */
  private static MergeProblem problem(String id, List<? extends Checkpoint> models) {
    int count = models(id, models.size());
    MergeProblem problem = MergeProblem.of(models.subList(0, Math.min(count, models.size())));
    problem = Importances.with(merger(id), problem);
    return merger(id).needs().base() ? problem.withBase(models.get(models.size() - 1)) : problem;
  }

  @ParameterizedTest
  @MethodSource("mergers")
  void theResultDoesNotDependOnThreads(String id) throws IOException {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 300, 257, 129, 3);
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      List<Checkpoint> models = new ArrayList<>();
      for (int k = 0; k < 3; k++) {
        models.add(network.random(dtype, k, WS));
      }
      MemoryCheckpoint expected = null;
      for (int threads : new int[] {1, 2, 8}) {
        try (Workspace ws = Workspace.builder().threads(threads).open()) {
          Checkpoint merged = merger(id).merge(problem(id, models), ws);
          MemoryCheckpoint found = MemoryCheckpoint.copyOf(merged, ws);
          expected = expected == null ? found : expected;
          Models.assertSameBits(threads + " threads", found, expected, ws);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("mergers")
  void inputsAreNotChanged(String id) throws IOException {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 3, 4, 5);
    List<MemoryCheckpoint> models =
        List.of(network.random(DType.F32, 1, WS), network.random(DType.F32, 2, WS));
    List<MemoryCheckpoint> copies =
        List.of(
            MemoryCheckpoint.copyOf(models.get(0), WS), MemoryCheckpoint.copyOf(models.get(1), WS));
    MemoryCheckpoint.copyOf(merger(id).merge(problem(id, models), WS), WS);
    for (int k = 0; k < 2; k++) {
      Models.assertSameBits("model " + k, models.get(k), copies.get(k), WS);
    }
  }

  /** Whichever part is read, of whichever view: the same bytes. */
  @ParameterizedTest
  @MethodSource("mergers")
  void theResultDoesNotDependOnTiles(String id) throws IOException {
    long size = (1 << 20) + 12345;
    List<Checkpoint> models = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      models.add(
          MemoryCheckpoint.of(Map.of("w", uniform(k, size), "m", uniform(k, 12).reshape(4, 3))));
    }
    Checkpoint merged = merger(id).merge(problem(id, models), WS);
    try (Tensor whole = merged.read("w", WS);
        Tensor found = Tensor.allocate(whole.dtype(), whole.shape())) {
      for (long tile : new long[] {8192, 100_003, 1 << 20}) {
        // Statistics are taken anew.
        Checkpoint again = merger(id).merge(problem(id, models), WS);
        for (long from = 0; from < size; from += tile) {
          long to = Math.min(size, from + tile);
          again.readRange("w", from, to, found.rows(from, to), WS);
        }
        Close.bitwise(id + " by " + tile, found, whole);
      }
      Checkpoint again = merger(id).merge(problem(id, models), WS);
      for (long from : new long[] {size - 7, 5, 1 << 20}) {
        try (Tensor part = Tensor.allocate(whole.dtype(), 7);
            Tensor wanted = whole.rows(from, from + 7)) {
          again.readRange("w", from, from + 7, part, WS);
          Close.bitwise(id + " at " + from, part, wanted);
        }
      }
    }
  }

  /** In whichever model, or in the base, and whether it is seen before merging or in the result. */
  @ParameterizedTest
  @MethodSource("mergers")
  void whatIsNotFiniteIsRefusedWithItsPlace(String id) throws IOException {
    TensorInfo info = TensorInfo.of(DType.F32, 60, 100);
    if (merger(id) instanceof TensorMerger method
        && (method.propagates() || method.choose("w", info).isPresent())) {
      return; // Computed with, or copied.
    }
    int count = models(id, 3);
    int inputs = merger(id).needs().base() ? count + 1 : count;
    for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      for (int broken = 0; broken < inputs; broken++) {
        List<Checkpoint> models = new ArrayList<>();
        for (int k = 0; k < inputs; k++) {
          Tensor w = uniform(k, 6000).reshape(60, 100);
          w.set(4321, k == broken ? value : w.get(4321));
          models.add(MemoryCheckpoint.of(Map.of("w", w)));
        }
        MergeProblem problem =
            Importances.with(merger(id), MergeProblem.of(models.subList(0, count)));
        Checkpoint merged =
            merger(id).merge(inputs > count ? problem.withBase(models.get(count)) : problem, WS);
        String where = broken < count ? "model " + broken : "the base";
        for (long from : new long[] {0, 4300}) {
          try (Tensor part = Tensor.allocate(DType.F32, 6000 - from)) {
            assertThatThrownBy(() -> merged.readRange("w", from, 6000, part, WS))
                .as(id + ", " + where)
                .isInstanceOf(NumericalException.class)
                .hasMessageStartingWith(
                    where
                        + ": 'w' F32 [60, 100] holds 1 non-finite values, the first at index 4321");
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("mergers")
  void whatAMethodNeedsIsRefusedWhenMissing(String id) throws IOException {
    Checkpoint model = special(DType.F32);
    Merger.Needs needs = merger(id).needs();
    MergeProblem enough = MergeProblem.of(Collections.nCopies(models(id, 2), model));
    MergeProblem wrong = needs.base() ? enough : enough.withBase(model);
    assertThatThrownBy(() -> merger(id).merge(wrong, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(
            merger(id).id() + (needs.base() ? " needs the base" : " uses no base"));
    if (needs.importance() != Merger.Importance.NONE) {
      assertThatThrownBy(() -> merger(id).merge(enough, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(merger(id).id() + " needs ")
          .hasMessageContaining("--importance");
    } else {
      MergeProblem weighed = enough.withImportances(enough.models());
      MergeProblem unused = needs.base() ? weighed.withBase(model) : weighed;
      assertThatThrownBy(() -> merger(id).merge(unused, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith(merger(id).id() + " uses no importances");
    }
    if (needs.fewest() > 1) {
      assertThatThrownBy(() -> merger(id).merge(MergeProblem.of(model), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("models, not 1");
    }
  }

  private static Tensor uniform(long seed, long size) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[(int) size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) (2 * random.nextDouble() - 1);
    }
    return Tensor.of(values, size);
  }

  private static void assertNoOp(String id, Checkpoint model, int times) throws IOException {
    MergeProblem problem =
        Importances.with(merger(id), MergeProblem.of(Collections.nCopies(times, model)));
    boolean base = merger(id).needs().base();
    Checkpoint merged = merger(id).merge(base ? problem.withBase(model) : problem, WS);
    assertThat(merged.stale()).isEmpty();
    if (!base) {
      Models.assertSameBits(id + " of " + times, merged, model, WS);
      return;
    }
    for (String name : model.tensors().keySet()) {
      try (Tensor found = merged.read(name, WS);
          Tensor wanted = model.read(name, WS)) {
        if (wanted.dtype() == DType.I64) {
          Close.bitwise(name, found, wanted);
          continue;
        }
        // A sum with a difference of 0 loses the sign of -0.
        for (int i = 0; i < wanted.size(); i++) {
          assertThat(found.get(i) + 0.0).as("%s[%s]", name, i).isEqualTo(wanted.get(i) + 0.0);
        }
      }
    }
  }

  private static Merger merger(String id) {
    return Catalogue.mergers().method(id);
  }

  /** Ordinary values, and those at the ends of the type: signed zeros, the largest, subnormals. */
  private static Checkpoint special(DType dtype) {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 7, 19, 5);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Checkpoint ordinary = network.random(dtype, 9, WS);
    ordinary
        .tensors()
        .keySet()
        .forEach(n -> tensors.put(n, ((MemoryCheckpoint) ordinary).tensor(n)));
    Tensor ends = Tensor.allocate(dtype, dtype == DType.F64 ? 7 : 1 << 16);
    if (dtype == DType.F64) {
      // Half of an odd subnormal cannot be held.
      double[] values = {
        -0.0, Double.MAX_VALUE, Double.MIN_NORMAL, -1e-300, Double.MIN_VALUE, -1e-310, 0
      };
      for (int i = 0; i < 7; i++) {
        ends.set(i, values[i]);
      }
      Tensor scalar = Tensor.allocate(dtype);
      scalar.set(0, 3 * Double.MIN_VALUE);
      tensors.put("scalar", scalar);
    } else if (dtype == DType.F32) {
      for (int i = 0; i < 1 << 16; i++) {
        float value = Float.intBitsToFloat(i * 0x9e3779b1);
        ends.set(i, Float.isFinite(value) ? value : Float.MIN_VALUE * i);
      }
    } else {
      // Every finite value of a 16-bit type.
      int exponent = dtype == DType.F16 ? 0x7c00 : 0x7f80;
      for (int i = 0; i < 1 << 16; i++) {
        ends.memory().putShort(2L * i, (short) ((i & exponent) == exponent ? 1 : i));
      }
    }
    tensors.put("ends", ends);
    Tensor steps = Tensor.allocate(DType.I64);
    steps.memory().putLong(0, 12345);
    tensors.put("num_batches_tracked", steps);
    tensors.put("empty", Tensor.allocate(dtype, 0, 3));
    return MemoryCheckpoint.of(tensors);
  }
}
