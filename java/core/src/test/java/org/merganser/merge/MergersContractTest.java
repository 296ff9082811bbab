// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;

/** What every merger of the catalogue promises. */
class MergersContractTest {

  static Stream<String> mergers() {
    return Catalogue.mergers().ids().stream();
  }

  static Stream<Arguments> mergersAndTypes() {
    return mergers()
        .flatMap(
            id ->
                Stream.of(DType.F64, DType.F32, DType.F16, DType.BF16)
                    .map(t -> Arguments.of(id, t)));
  }

  @ParameterizedTest
  @MethodSource("mergersAndTypes")
  void aModelMergedWithItselfStaysAsItIs(String id, DType dtype) throws IOException {
    Checkpoint model = special(dtype);
    assertNoOp(id, model, 1);
    assertNoOp(id, model, 2);
    if (dtype != DType.F64) {
      // Three weights of 1/3 round in F64, where only narrower types have room to spare.
      assertNoOp(id, model, 3);
      assertNoOp(id, model, 7);
    }
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
          Checkpoint merged = merger(id).merge(MergeProblem.of(models), ws);
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
    MemoryCheckpoint.copyOf(merger(id).merge(MergeProblem.of(models), WS), WS);
    for (int k = 0; k < 2; k++) {
      Models.assertSameBits("model " + k, models.get(k), copies.get(k), WS);
    }
  }

  private static void assertNoOp(String id, Checkpoint model, int times) throws IOException {
    Checkpoint merged = merger(id).merge(MergeProblem.of(Collections.nCopies(times, model)), WS);
    assertThat(merged.stale()).isEmpty();
    Models.assertSameBits(id + " of " + times, merged, model, WS);
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
