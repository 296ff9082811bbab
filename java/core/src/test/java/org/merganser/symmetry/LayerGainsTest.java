// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;

/** What few models allow: factors of gates and of gains inside of heads, and phases under these. */
class LayerGainsTest {
  private static final Workspace WS = Workspace.open();
  private static final TransformerConfig NORMED = GoldenModel.QWEN3.config();
  private static final TransformerConfig REGLU =
      GoldenModel.LLAMA.config().with("activation", Activation.RELU);
  private static final Set<Kind> GAINS = EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.GAINS);
  private static final Set<Kind> SCALES = EnumSet.of(Kind.UNITS, Kind.UNIT_SCALES);

  @TempDir Path folder;

  @AfterAll
  static void close() {
    WS.close();
  }

  @Test
  void gainsOfQueriesAndKeysAndScalesOfGatesLeaveTheFunction() throws IOException {
    for (long seed = 1; seed <= 3; seed++) {
      for (TransformerConfig config : new TransformerConfig[] {NORMED, REGLU}) {
        Set<Kind> kinds = config == NORMED ? GAINS : SCALES;
        SymmetryElement element = SymmetryElement.random(config, kinds, seed);
        LayerSymmetry layer = element.layers().get(1);
        assertThat(config == NORMED ? layer.queryKeyGain() : layer.gateScales())
            .hasSize(config == NORMED ? config.headSize() / 2 : config.intermediate())
            .doesNotContain(1);
        requireSame(config, GoldenModel.weights(config, seed), element);
      }
    }
  }

  @Test
  void theyAreAGroup() throws IOException {
    for (TransformerConfig config : new TransformerConfig[] {NORMED, REGLU}) {
      Set<Kind> kinds = config == NORMED ? GAINS : SCALES;
      MemoryCheckpoint weights = GoldenModel.weights(config, 1);
      SymmetryElement g = SymmetryElement.random(config, kinds, 1);
      SymmetryElement h = SymmetryElement.random(config, kinds, 2);
      requireClose(h.after(g, WS).apply(weights), h.apply(g.apply(weights)));
      requireClose(g.inverse().apply(g.apply(weights)), weights);
      assertThat(g.isIdentity()).isFalse();
      Path file = folder.resolve(config.modelType() + ".mgsymmetry");
      g.save(file, WS);
      assertThat(SymmetryElement.load(file, config, WS).layers()).isEqualTo(g.layers());
    }
  }

  @Test
  void anyPhaseGoesThroughNormsWithOneGainForAPair() throws IOException {
    SymmetryElement turned = turned(NORMED);
    MemoryCheckpoint weights = GoldenModel.weights(NORMED, 1);
    evenPairs(weights);
    requireSame(NORMED, weights, turned);
    weights.tensor("model.layers.1.self_attn.k_norm.weight").set(NORMED.headSize() - 1, 7);
    assertThatThrownBy(() -> turned.apply(weights).read("model.norm.weight", WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("has gains that phases of queries and keys would mix")
        .hasMessageContaining("'model.layers.1.self_attn.k_norm.weight': element ")
        .hasMessageContaining("phases other than 0 and pi need pairs with one gain");
  }

  @Test
  void whatAModelDoesNotHaveIsRefused() {
    LayerSymmetry plain = LayerSymmetry.identity(REGLU);
    double[] gates = new double[REGLU.intermediate()];
    Arrays.fill(gates, 1);
    gates[3] = -2;
    assertThatThrownBy(() -> withGates(REGLU, gates))
        .hasMessage(
            "no symmetry of this model: layer 0: scale -2.0 of a gate: through RELU only positive"
                + " numbers pass");
    gates[3] = 2;
    assertThatThrownBy(() -> withGates(GoldenModel.LLAMA.config(), gates))
        .hasMessage(
            "no symmetry of this model: layer 0: scale 2.0 of a gate: through SILU no scale passes");
    LayerSymmetry gains =
        new LayerSymmetry(
            plain.units(),
            plain.unitScales(),
            plain.heads(),
            new double[0],
            new double[0],
            new double[0],
            new double[] {2, 3});
    assertThatThrownBy(() -> SymmetryElement.identity(REGLU).withLayer(0, gains))
        .hasMessageContaining(
            "factors of the gains of queries and keys, which this model does not");
  }

  private static SymmetryElement withGates(TransformerConfig config, double[] gates) {
    LayerSymmetry plain = LayerSymmetry.identity(config);
    return SymmetryElement.identity(config)
        .withLayer(
            0,
            new LayerSymmetry(
                plain.units(),
                plain.unitScales(),
                plain.heads(),
                new double[0],
                new double[0],
                gates,
                new double[0]));
  }

  private static SymmetryElement turned(TransformerConfig config) {
    SymmetryElement element = SymmetryElement.random(config, EnumSet.of(Kind.HEADS), 3);
    SplittableRandom random = new SplittableRandom(4);
    for (int i = 0; i < config.layers(); i++) {
      LayerSymmetry layer = element.layers().get(i);
      element =
          element.withLayer(
              i,
              new LayerSymmetry(
                  layer.units(),
                  layer.unitScales(),
                  layer.heads().stream().map(head -> turned(head, random)).toList(),
                  layer.attentionGain(),
                  layer.mlpGain()));
    }
    return element;
  }

  private static HeadSymmetry turned(HeadSymmetry head, SplittableRandom random) {
    double[] ratio = ((Rotary) head.queryKey()).ratio();
    double[] phase = random.doubles(ratio.length, -3, 3).toArray();
    return new HeadSymmetry(
        head.source(),
        head.queries(),
        head.value(),
        head.valueInverse(),
        new Rotary(phase, ratio),
        head.shift());
  }

  private static void evenPairs(MemoryCheckpoint weights) {
    int half = NORMED.headSize() / 2;
    for (String name : weights.tensors().keySet()) {
      if (name.endsWith("q_norm.weight") || name.endsWith("k_norm.weight")) {
        Tensor gain = weights.tensor(name);
        for (int i = 0; i < half; i++) {
          gain.set(half + i, gain.get(i));
        }
      }
    }
  }

  private static void requireSame(
      TransformerConfig config, Checkpoint weights, SymmetryElement element) throws IOException {
    double[][] wanted = ReferenceForward.logits(config, weights, GoldenModel.ids(), WS);
    double[][] found =
        ReferenceForward.logits(config, element.apply(weights), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(wanted, found)).isLessThan(1e-10);
  }

  private static void requireClose(Checkpoint one, Checkpoint other) throws IOException {
    for (String name : one.tensors().keySet()) {
      double[] a = one.read(name, WS).toDoubleArray();
      double[] b = other.read(name, WS).toDoubleArray();
      for (int i = 0; i < a.length; i++) {
        assertThat(Math.abs(a[i] - b[i]))
            .as(name)
            .isLessThanOrEqualTo(1e-13 * (1 + Math.abs(b[i])));
      }
    }
  }
}
