// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.CanonicalTensor;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Elements are a group that acts on checkpoints, bit by bit where they only move things. */
class SymmetryActionTest {
  private static final Set<Kind> PERMUTED = EnumSet.complementOf(EnumSet.of(Kind.ROTATION));
  private static final Set<Kind> TURNED =
      EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.GAINS));
  private static final Set<Kind> MOVING = EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.RESIDUAL);

  static Stream<Arguments> laws() {
    List<Arguments> cases = new ArrayList<>();
    for (GoldenModel model : GoldenModel.values()) {
      for (long seed = 1; seed <= 3; seed++) {
        cases.add(Arguments.of(model, PERMUTED, PERMUTED, seed));
        cases.add(Arguments.of(model, TURNED, TURNED, seed));
        cases.add(Arguments.of(model, TURNED, EnumSet.of(Kind.RESIDUAL, Kind.UNITS), seed));
      }
    }
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("laws")
  void productsActOneAfterTheOther(
      GoldenModel model, Set<Kind> ofNext, Set<Kind> ofFirst, long seed) throws IOException {
    Checkpoint weights = even(model, seed);
    SymmetryElement first = SymmetryElement.random(model.config(), ofFirst, seed);
    SymmetryElement next = SymmetryElement.random(model.config(), ofNext, seed + 100);
    Checkpoint wanted = next.apply(first.apply(weights));
    requireClose(next.after(first, WS).apply(weights), wanted);
    requireClose(first.inverse().apply(first.apply(weights)), weights);
    requireClose(first.inverse().after(first, WS).apply(weights), weights);
    requireClose(first.after(first.inverse(), WS).apply(weights), weights);
    SymmetryElement identity = SymmetryElement.identity(model.config());
    requireClose(identity.after(first, WS).apply(weights), first.apply(weights));
  }

  /** With gains of 1, so that orthogonal maps act on it. */
  static MemoryCheckpoint even(GoldenModel model, long seed) {
    MemoryCheckpoint weights = GoldenModel.weights(model.config(), seed);
    CanonicalTensor.of(model.config())
        .values()
        .forEach(
            tensor -> {
              if (tensor.part().side() == CanonicalTensor.Side.GAIN) {
                Tensor gain = weights.tensor(tensor.name());
                for (long i = 0; i < gain.size(); i++) {
                  gain.set(i, 1);
                }
              }
            });
    return weights;
  }

  private static void requireClose(Checkpoint found, Checkpoint wanted) throws IOException {
    assertThat(found.tensors()).isEqualTo(wanted.tensors());
    for (String name : wanted.tensors().keySet()) {
      double[] a = found.read(name, WS).toDoubleArray();
      double[] b = wanted.read(name, WS).toDoubleArray();
      double size = Math.max(1, Arrays.stream(b).map(Math::abs).max().orElse(0));
      for (int i = 0; i < a.length; i++) {
        assertThat(Math.abs(a[i] - b[i])).describedAs(name + " " + i).isLessThan(1e-12 * size);
      }
    }
  }

  private static void requireSame(Checkpoint found, Checkpoint wanted) throws IOException {
    assertThat(found.tensors()).isEqualTo(wanted.tensors());
    for (String name : wanted.tensors().keySet()) {
      assertThat(found.read(name, WS).sameBytes(wanted.read(name, WS))).describedAs(name).isTrue();
    }
  }

  /** Even where elements are -0, and in every type. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F64", "F32", "F16", "BF16"})
  void theIdentityCopiesBits(DType dtype) throws IOException {
    for (GoldenModel model : GoldenModel.values()) {
      MemoryCheckpoint weights = model.weights();
      weights.tensors().keySet().forEach(name -> weights.tensor(name).set(0, -0.0));
      MemoryCheckpoint stored = MemoryCheckpoint.copyOf(weights.as(dtype), WS);
      SymmetryElement identity = SymmetryElement.identity(model.config());
      assertThat(identity.isIdentity()).isTrue();
      requireSame(identity.apply(stored), stored);
    }
  }

  /** What moves and changes signs only: rounded before or after, the bits are the same. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void permutationsAndSignsAreExactInEveryType(GoldenModel model) throws IOException {
    for (DType dtype : new DType[] {DType.BF16, DType.F16, DType.F32}) {
      for (long seed = 1; seed <= 3; seed++) {
        MemoryCheckpoint weights = GoldenModel.weights(model.config(), seed);
        MemoryCheckpoint stored = MemoryCheckpoint.copyOf(weights.as(dtype), WS);
        SymmetryElement element = signed(model.config(), seed);
        assertThat(element.isIdentity()).isFalse();
        requireSame(element.apply(stored), element.apply(weights).as(dtype));
        requireSame(element.inverse().apply(element.apply(stored)), stored);
      }
    }
  }

  /** Signs of units where MLPs are gated, half turns of pairs, A that flips and moves. */
  private static SymmetryElement signed(TransformerConfig config, long seed) {
    SymmetryElement element = SymmetryElement.random(config, MOVING, seed);
    int dh = config.headSize();
    double[] flip = new double[dh * dh];
    for (int i = 0; i < dh; i++) {
      flip[i * dh + (i + 1) % dh] = i == 1 ? -1 : 1;
    }
    for (int i = 0; i < config.layers(); i++) {
      LayerSymmetry layer = element.layers().get(i);
      double[] scales = layer.unitScales();
      scales[2] = config.gated() ? -1 : 1;
      double[] phases = new double[dh / 2];
      phases[1] = Math.PI;
      List<HeadSymmetry> heads = new ArrayList<>();
      for (HeadSymmetry head : layer.heads()) {
        heads.add(
            new HeadSymmetry(
                head.source(),
                head.queries(),
                flip,
                Squares.transpose(flip),
                config.rope().isEmpty()
                    ? new HeadSymmetry.Dense(flip, flip)
                    : new Rotary(phases, Rotary.identity(dh / 2).ratio()),
                head.shift()));
      }
      element =
          element.withLayer(
              i, new LayerSymmetry(layer.units(), scales, heads, new double[0], new double[0]));
    }
    return element;
  }

  /** A tied head stays the embedding. */
  @Test
  void signedPermutationsKeepATie() throws IOException {
    TransformerConfig tied = GoldenModel.TIED.config();
    SymmetryElement element = SymmetryElement.random(tied, MOVING, 4);
    Checkpoint moved =
        element.apply(MemoryCheckpoint.copyOf(GoldenModel.TIED.weights().as(DType.BF16), WS));
    assertThat(moved.tensors()).isEqualTo(tied.tensors(DType.BF16));
    assertThat(moved.tensors()).doesNotContainKey("lm_head.weight");
  }

  /** Any range of any tensor is that of the whole, whatever is computed at once. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void rangesAreThoseOfTheWhole(GoldenModel model) throws IOException {
    for (Set<Kind> kinds : List.of(PERMUTED, TURNED)) {
      for (DType dtype : new DType[] {DType.F64, DType.BF16}) {
        Checkpoint weights = MemoryCheckpoint.copyOf(even(model, 5).as(dtype), WS);
        Checkpoint moved = SymmetryElement.random(model.config(), kinds, 5).apply(weights);
        for (String name : moved.tensors().keySet()) {
          Tensor whole = moved.read(name, WS);
          assertThat(whole.size() % moved.block(name)).describedAs(name).isZero();
          for (long from = 0; from < whole.size(); from += 53) {
            long to = Math.min(whole.size(), from + 53);
            try (Tensor part = Tensor.allocate(dtype, to - from);
                Tensor flat = whole.reshape(whole.size());
                Tensor wanted = flat.rows(from, to)) {
              moved.readRange(name, from, to, part, WS);
              assertThat(part.sameBytes(wanted)).describedAs(name + " " + from).isTrue();
            }
          }
        }
      }
    }
  }

  /** A shift of values that the output bias takes back. */
  @Test
  void aShiftOfValuesMovesBothBiases() throws IOException {
    TransformerConfig config = GoldenModel.BIASED.config();
    SymmetryElement element = SymmetryElement.random(config, EnumSet.of(Kind.SHIFT), 1);
    MemoryCheckpoint weights = GoldenModel.BIASED.weights();
    Checkpoint moved = element.apply(weights);
    List<String> changed = new ArrayList<>();
    for (String name : weights.tensors().keySet()) {
      if (!moved.read(name, WS).sameBytes(weights.tensor(name))) {
        changed.add(name);
      }
    }
    assertThat(changed)
        .containsExactly(
            "model.layers.0.self_attn.v_proj.bias",
            "model.layers.0.self_attn.o_proj.bias",
            "model.layers.1.self_attn.v_proj.bias",
            "model.layers.1.self_attn.o_proj.bias");
  }

  /** What looks like a symmetry and is none. */
  @Test
  void otherChangesMoveLogits() throws IOException {
    assertThat(
            moved(
                m -> {
                  scaleRows(m, "mlp.gate_proj.weight", 2);
                  scaleRows(m, "mlp.down_proj.weight", 0.5);
                }))
        .isGreaterThan(1e-2);
    assertThat(
            moved(
                m -> {
                  scaleRows(m, "mlp.gate_proj.weight", -1);
                  scaleRows(m, "mlp.down_proj.weight", -1);
                }))
        .isGreaterThan(1e-2);
    assertThat(moved(SymmetryActionTest::swapHeadsOfTwoGroups)).isGreaterThan(1e-2);
    assertThat(moved(SymmetryActionTest::turnNeighbours)).isGreaterThan(1e-2);
  }

  /** One last gain for all channels passes any rotation, so the tie may stay. */
  @Test
  void anEvenLastGainKeepsATie() throws IOException {
    TransformerConfig config = GoldenModel.TIED.config();
    MemoryCheckpoint weights = GoldenModel.TIED.weights();
    for (int i = 0; i < 16; i++) {
      weights.tensor("model.norm.weight").set(i, 1.5);
    }
    NormAbsorption absorbed = NormAbsorption.of(weights, config, false, WS);
    assertThat(absorbed.config()).isEqualTo(config);
    SymmetryElement turned = SymmetryElement.random(config, TURNED, 2);
    double[][] before = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    double[][] after =
        ReferenceForward.logits(config, turned.apply(absorbed.checkpoint()), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(before, after)).isLessThan(1e-10);
  }

  private interface Change {
    void of(MemoryCheckpoint weights);
  }

  /** By how much the logits of the golden Llama change. */
  private static double moved(Change change) throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    double[][] before = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    change.of(weights);
    double[][] after = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    return ReferenceForward.difference(before, after);
  }

  private static void scaleRows(MemoryCheckpoint weights, String name, double factor) {
    Tensor tensor = weights.tensor("model.layers.0." + name);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, factor * tensor.get(i));
    }
  }

  /** Query heads 1 and 2 of 4, of which each group has two. */
  private static void swapHeadsOfTwoGroups(MemoryCheckpoint weights) {
    Tensor queries = weights.tensor("model.layers.0.self_attn.q_proj.weight");
    Tensor outputs = weights.tensor("model.layers.0.self_attn.o_proj.weight");
    for (int i = 0; i < 4; i++) {
      for (int j = 0; j < 16; j++) {
        swap(queries, (4 + i) * 16 + j, (8 + i) * 16 + j);
        swap(outputs, j * 16 + 4 + i, j * 16 + 8 + i);
      }
    }
  }

  private static void swap(Tensor tensor, long a, long b) {
    double value = tensor.get(a);
    tensor.set(a, tensor.get(b));
    tensor.set(b, value);
  }

  /** A rotation of rows 0 and 1 of each head of queries and keys, which turn at other speeds. */
  private static void turnNeighbours(MemoryCheckpoint weights) {
    for (String name : List.of("q_proj", "k_proj")) {
      Tensor tensor = weights.tensor("model.layers.0.self_attn." + name + ".weight");
      for (long row = 0; row < tensor.dim(0); row += 4) {
        for (int j = 0; j < 16; j++) {
          double a = tensor.get(row * 16 + j);
          double b = tensor.get((row + 1) * 16 + j);
          tensor.set(row * 16 + j, 0.6 * a - 0.8 * b);
          tensor.set((row + 1) * 16 + j, 0.8 * a + 0.6 * b);
        }
      }
    }
  }
}
