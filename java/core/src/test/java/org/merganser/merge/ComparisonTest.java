// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/**
 * What keeps models from being merged is said with the way out; what need not keep them does not.
 */
class ComparisonTest {
  private static Checkpoint model(DType dtype, String prefix, int tensors) {
    Map<String, Tensor> map = new LinkedHashMap<>();
    for (int i = 0; i < tensors; i++) {
      map.put(prefix + "layer." + i + ".weight", Tensor.zeros(dtype, 2));
    }
    return MemoryCheckpoint.of(map);
  }

  @Test
  void aPrefixIsOneLine() {
    Checkpoint a = model(DType.F32, "", 300);
    Checkpoint b = model(DType.F32, "_orig_mod.", 300);
    assertThatThrownBy(() -> MergeProblem.of(a, b))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "the models cannot be merged:\n"
                + "  names of model 0 and model 1 differ by the prefix '_orig_mod.'\n"
                + "  --strip-prefix _orig_mod. takes it off (Checkpoint.withoutPrefix)");
    MergeProblem.of(a, b.withoutPrefix(List.of("_orig_mod.")));
  }

  @Test
  void otherTypesAreConverted() throws IOException {
    Checkpoint a = model(DType.F32, "", 2);
    Checkpoint b = model(DType.BF16, "", 2);
    assertThatThrownBy(() -> MergeProblem.of(a, b))
        .hasMessageEndingWith(
            "\n  --dtype f32 (or bf16, f16, f64) reads all models as one type (Checkpoint.as)");
    Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(a, b.as(DType.F32)), WS);
    assertThat(merged.read("layer.1.weight", WS).dtype()).isEqualTo(DType.F32);
  }

  @Test
  void manyMismatchesAreCounted() {
    Checkpoint a = model(DType.F32, "", 1000);
    Map<String, Tensor> others = new LinkedHashMap<>();
    for (int i = 0; i < 1000; i++) {
      others.put("block_" + i, Tensor.zeros(DType.F32, 2));
    }
    Checkpoint b = MemoryCheckpoint.of(others);
    assertThatThrownBy(() -> MergeProblem.of(a, b))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class,
            e -> {
              assertThat(e.problems()).hasSize(2000);
              assertThat(e.getMessage().lines()).hasSize(22);
              assertThat(e.getMessage()).endsWith("\n  ... and 1980 more");
            });
  }

  @Test
  void namesCannotForgeLines() {
    Checkpoint a = model(DType.F32, "", 1);
    Checkpoint b = model(DType.F32, "x\n  all is well \u001b[2J", 1);
    assertThatThrownBy(() -> MergeProblem.of(a, b))
        .hasMessageNotContaining("\u001b")
        .hasMessageNotContaining("\n  all is well")
        .hasMessageContaining("'x\\u000a  all is well \\u001b[2J");
  }

  private static Checkpoint one(String name, Tensor tensor) {
    return MemoryCheckpoint.of(Map.of(name, tensor));
  }

  private static Tensor integer(long value) {
    Tensor tensor = Tensor.zeros(DType.I64);
    tensor.memory().putLong(0, value);
    return tensor;
  }

  @Test
  void countersOfBatchNormalisationAreTheReferences() throws IOException {
    String name = "bn.num_batches_tracked";
    Checkpoint merged =
        LinearMerger.uniform()
            .merge(MergeProblem.of(one(name, integer(100)), one(name, integer(120))), WS);
    assertThat(merged.read(name, WS).memory().getLong(0)).isEqualTo(100);
    Checkpoint other =
        LinearMerger.uniform()
            .merge(MergeProblem.of(one("steps", integer(1)), one("steps", integer(2))), WS);
    assertThatThrownBy(() -> other.read("steps", WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("name it under \"counters\" in a builder file (--architecture)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"F32", "F16", "BF16", "F64"})
  void equalMasksWithInfinitiesAreCopied(String type) throws IOException {
    DType dtype = DType.valueOf(type);
    double[] values = {0, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 0.5};
    Checkpoint a = one("mask", Tensor.of(dtype, values, WS));
    Checkpoint same = one("mask", Tensor.of(dtype, values, WS));
    Checkpoint merged = LinearMerger.weights(1, 3).merge(MergeProblem.of(a, same), WS);
    assertThat(merged.read("mask", WS).toDoubleArray()).containsExactly(values);

    double[] others = {0, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, 0.25};
    Checkpoint differing =
        LinearMerger.uniform()
            .merge(MergeProblem.of(a, one("mask", Tensor.of(dtype, others, WS))), WS);
    assertThatThrownBy(() -> differing.read("mask", WS)).isInstanceOf(NumericalException.class);
    double[] broken = {0, Double.NaN};
    Checkpoint nan = one("mask", Tensor.of(dtype, broken, WS));
    Checkpoint both = LinearMerger.uniform().merge(MergeProblem.of(nan, nan), WS);
    assertThatThrownBy(() -> both.read("mask", WS)).isInstanceOf(NumericalException.class);
  }
}
