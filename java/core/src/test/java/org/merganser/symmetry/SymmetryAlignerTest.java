// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryAligner.Model;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.QueryKey;
import org.merganser.symmetry.SymmetryAligner.Residual;
import org.merganser.symmetry.SymmetryAligner.Result;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryAligner.ValueOutput;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Alignment by weights. */
class SymmetryAlignerTest {
  private static final Workspace WS = Workspace.open();

  /** Whatever there is inside of layers. */
  static final Set<Kind> LAYERS =
      EnumSet.of(
          Kind.UNITS, Kind.UNIT_SCALES, Kind.HEADS, Kind.VALUE_OUTPUT, Kind.QUERY_KEY, Kind.SHIFT);

  @AfterAll
  static void close() {
    WS.close();
  }

  private static Result align(
      TransformerConfig config, Checkpoint source, Checkpoint target, Options options)
      throws IOException {
    return SymmetryAligner.of(options)
        .align(new Model(source, config), new Model(target, config), WS);
  }

  /** Everything balanced, so that whatever random elements have is found. */
  private static Options balanced() {
    return Options.defaults()
        .with("scales", Scales.BALANCE)
        .with("valueOutput", ValueOutput.GENERAL);
  }

  static Options general(TransformerConfig config) {
    return config.rope().isPresent() ? balanced() : balanced().with("queryKey", QueryKey.GENERAL);
  }

  /** Moves the source by what was found, and compares weights and logits with the target. */
  private static void assertRecovered(Result result, Checkpoint target) throws IOException {
    SymmetryReport report = result.report();
    assertThat(report.after()).as(report.toString()).isLessThan(1e-20 * report.before());
    assertMonotone(report);
    Checkpoint moved = result.element().apply(result.source().weights());
    assertThat(Perturbed.squaredDistance(moved, result.target().weights(), WS))
        .isLessThan(1e-20 * report.before());
    TransformerConfig config = result.source().config();
    double[][] here = ReferenceForward.logits(config, moved, GoldenModel.ids(), WS);
    double[][] there =
        ReferenceForward.logits(result.target().config(), target(result), GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(here, there)).isLessThan(1e-9);
    assertThat(target.tensors().keySet()).isNotEmpty();
  }

  private static Checkpoint target(Result result) {
    return result.target().weights();
  }

  private static void assertMonotone(SymmetryReport report) {
    double last = report.started();
    for (double each : report.sweeps()) {
      assertThat(each).as(report.toString()).isLessThanOrEqualTo(last);
      last = each;
    }
    assertThat(report.after()).isLessThanOrEqualTo(report.before());
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void symmetriesOfTheLayersAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    for (long seed = 1; seed <= 5; seed++) {
      Checkpoint source = PlantedElement.of(config, seed).shifts().still().apply(target);
      assertRecovered(align(config, source, target, Options.defaults()), target);
    }
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void whateverLayersAllowIsFoundAfterBalancing(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    Checkpoint source = SymmetryElement.random(config, LAYERS, 5).apply(target);
    assertRecovered(align(config, source, target, general(config)), target);
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void factorsOfLeastDistanceAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    Checkpoint source = PlantedElement.of(config, 3).factors().still().apply(target);
    Options options =
        Options.defaults()
            .with("scales", Scales.QUARTIC)
            .with("sweeps", 100)
            .with("tolerance", 0.0);
    assertRecovered(align(config, source, target, options), target);
  }

  /** Balanced, there is nothing left to find; the factors are the result. */
  @Test
  void factorsAloneAreFound() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint target = GoldenModel.LLAMA.weights();
    Set<Kind> kinds = EnumSet.of(Kind.UNIT_SCALES);
    Checkpoint source = SymmetryElement.random(config, kinds, 5).apply(target);
    Result result = align(config, source, target, balanced());
    Checkpoint moved = result.element().apply(source);
    assertThat(Perturbed.squaredDistance(moved, target, WS))
        .isLessThan(1e-20 * Perturbed.squaredDistance(source, target, WS));
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void signedPermutationsOfTheStreamAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    Options options = Options.defaults().with("residual", Residual.SIGNED_PERMUTATION);
    Set<Integer> first = new HashSet<>();
    for (long seed = 1; seed <= 6; seed++) {
      SymmetryElement planted = PlantedElement.of(config, seed).signed();
      first.add(((SymmetryElement.SignedPermutation) planted.residual()).signs()[0]);
      assertRecovered(align(config, planted.apply(target), target, options), target);
    }
    // Of layer norms all channels have one sign: both were found.
    assertThat(first).containsExactlyInAnyOrder(1, -1);
  }

  /** With everything else that there is, factors of gains too. */
  @ParameterizedTest
  @EnumSource(
      value = GoldenModel.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"BERT"})
  void rotationsOfTheStreamAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    Set<Kind> kinds = EnumSet.copyOf(LAYERS);
    kinds.add(Kind.ROTATION);
    NormAbsorption absorbed = NormAbsorption.of(target, config, true, WS);
    Checkpoint source =
        SymmetryElement.random(absorbed.config(), kinds, 6).apply(absorbed.checkpoint());
    Options options = general(config).with("residual", Residual.ORTHOGONAL).with("untie", true);
    Result result =
        SymmetryAligner.of(options)
            .align(
                new Model(source, absorbed.config()),
                new Model(absorbed.checkpoint(), absorbed.config()),
                WS);
    assertRecovered(result, target);
    assertThat(result.report().orthogonalityError()).isLessThan(1e-12);
  }

  @Test
  void gainsOfAnySizeAreAbsorbedBeforeARotation() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint target = GoldenModel.LLAMA.weights();
    Checkpoint source =
        SymmetryElement.random(config, EnumSet.of(Kind.GAINS, Kind.UNITS), 2).apply(target);
    Options options = Options.defaults().with("residual", Residual.ORTHOGONAL);
    assertRecovered(align(config, source, target, options), target);
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void aModelIsItself(GoldenModel model) throws IOException {
    MemoryCheckpoint weights = model.weights();
    for (Options options :
        List.of(
            Options.defaults(),
            Options.defaults().with("residual", Residual.SIGNED_PERMUTATION),
            Options.defaults().with("scales", Scales.QUARTIC),
            general(model.config()))) {
      Result result = align(model.config(), weights, weights, options);
      assertThat(result.report().after()).isLessThanOrEqualTo(1e-25);
      assertThat(result.report().movedUnits()).isZero();
      assertThat(result.report().movedHeads()).isZero();
      assertThat(result.element().isIdentity()).isTrue();
    }
  }

  /** What is switched off stays as it is; all of it, and nothing is nearer. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void partsCanBeLeftOut(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint source = GoldenModel.weights(config, 1);
    MemoryCheckpoint target = model.weights();
    Options units = Options.defaults().with("mlp", false);
    assertThat(align(config, source, target, units).report().movedUnits()).isZero();
    Options heads = Options.defaults().with("heads", false);
    assertThat(align(config, source, target, heads).report().movedHeads()).isZero();
    Options none =
        units
            .with("heads", false)
            .with("valueOutput", ValueOutput.NONE)
            .with("queryKey", QueryKey.NONE);
    Result result = align(config, source, target, none);
    assertThat(result.element().isIdentity()).isTrue();
    assertThat(result.report().after()).isEqualTo(result.report().before());
    assertThat(result.report().warnings())
        .containsExactly("nothing is nearer than the models as they are");
  }

  @Test
  void aModelTurnedByNothingIsItself() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    MemoryCheckpoint weights = GoldenModel.weights(config, 0);
    Options options = Options.defaults().with("residual", Residual.ORTHOGONAL);
    Result result = align(config, weights, weights, options);
    assertThat(result.report().after()).isLessThanOrEqualTo(1e-24);
    assertThat(result.report().movedUnits()).isZero();
  }

  /** Zero rows, twice, and a duplicate: finite, counted, the same every time. */
  @Test
  void deadAndDuplicateUnitsStay() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    MemoryCheckpoint weights = GoldenModel.LLAMA.weights();
    for (String name : List.of("gate_proj", "up_proj", "down_proj")) {
      Tensor tensor = weights.tensor("model.layers.0.mlp." + name + ".weight");
      int m = config.intermediate();
      int d = config.hidden();
      for (int j = 0; j < d; j++) {
        boolean down = name.equals("down_proj");
        for (int dead : new int[] {3, 7}) {
          tensor.set(down ? (long) j * m + dead : (long) dead * d + j, 0);
        }
        double copy = tensor.get(down ? (long) j * m + 1 : (long) d + j);
        tensor.set(down ? (long) j * m + 11 : 11L * d + j, copy);
      }
    }
    for (Scales scales : Scales.values()) {
      Options options = Options.defaults().with("scales", scales);
      Result result = align(config, weights, weights, options);
      assertThat(result.report().after()).isLessThanOrEqualTo(1e-25);
      assertThat(result.report().movedUnits()).isZero();
      assertThat(result.element().isIdentity()).isTrue();
      assertThat(result.report().ties()).isEqualTo(4);
    }
    Checkpoint moved = PlantedElement.of(config, 1).still().apply(weights);
    Result once = align(config, moved, weights, Options.defaults());
    Result again = align(config, moved, weights, Options.defaults());
    assertRecovered(once, weights);
    assertThat(once.report().ties()).isEqualTo(4);
    assertThat(again.element().layers()).isEqualTo(once.element().layers());
  }

  /** The configuration of the specification, with its numbers. */
  @Test
  void theNumbersOfThePlantedTest() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Result result = alignPlanted(config, 0);
    SymmetryReport report = result.report();
    assertThat(balancedDistance(result)).isCloseTo(31660, within(0.03 * 31660));
    assertThat(report.started()).isCloseTo(20800, within(0.05 * 20800));
    assertThat(report.sweeps().get(0)).isLessThan(1e-20);
    assertThat(report.after()).isLessThan(1e-20);
  }

  /** A fit is a little nearer to a noisy target than what it is made from. */
  @ParameterizedTest
  @CsvSource({"0.02, 6.22", "0.1, 156", "0.2, 618"})
  void noiseIsFitted(double noise, double expected) throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Result result = alignPlanted(config, noise);
    assertThat(result.report().after()).isCloseTo(expected, within(0.03 * expected));
    Checkpoint plain = absorbed(config).checkpoint();
    double truth = Perturbed.squaredDistance(plain, result.target().weights(), WS);
    assertThat(result.report().after()).isLessThan(truth);
    int[][] units = new int[config.layers()][];
    SymmetryElement planted = planted(config);
    for (int layer = 0; layer < units.length; layer++) {
      int[] moved = planted.layers().get(layer).units();
      int[] back = result.element().layers().get(layer).units();
      for (int i = 0; i < back.length; i++) {
        assertThat(moved[back[i]]).as("unit %d of layer %d", i, layer).isEqualTo(i);
      }
    }
  }

  private static NormAbsorption absorbed(TransformerConfig config) throws IOException {
    return NormAbsorption.of(GoldenModel.weights(config, 0), config, false, WS);
  }

  private static SymmetryElement planted(TransformerConfig config) {
    return PlantedElement.of(config, 1).factors().rotated();
  }

  private static Result alignPlanted(TransformerConfig config, double noise) throws IOException {
    Checkpoint base = absorbed(config).checkpoint();
    Checkpoint source = planted(config).apply(base);
    Checkpoint target = noise == 0 ? base : Perturbed.noisy(base, noise, 9, WS);
    Options options =
        Options.defaults().with("residual", Residual.ORTHOGONAL).with("scales", Scales.BALANCE);
    return align(config, source, target, options);
  }

  /** Where sweeps begin. */
  private static double balancedDistance(Result result) throws IOException {
    WeightPair pair =
        WeightPair.of(
            result.source().weights(), result.target().weights(), result.source().config());
    WeightPair balanced =
        Balances.of(pair, Options.defaults().with("scales", Scales.BALANCE), WS).apply(pair);
    return Perturbed.squaredDistance(balanced.source().weights(), balanced.target().weights(), WS);
  }

  @Test
  void unrelatedModelsComeNearerEachSweep() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    for (Scales scales : Scales.values()) {
      for (Residual residual : Residual.values()) {
        Options options = Options.defaults().with("residual", residual).with("scales", scales);
        Result result =
            align(config, GoldenModel.weights(config, 1), GoldenModel.weights(config, 0), options);
        SymmetryReport report = result.report();
        assertMonotone(report);
        assertThat(report.after()).isLessThan(0.9 * report.before());
        if (residual == Residual.ORTHOGONAL && scales == Scales.BALANCE) {
          int last = report.sweeps().size() - 1;
          assertThat(last).isGreaterThan(2);
          assertThat(balancedDistance(result)).isCloseTo(31660, within(700.0));
          assertThat(report.sweeps().get(last)).isCloseTo(23326, within(700.0));
        }
      }
    }
  }

  /** The bytes of the element do not depend on the threads; nor does a BF16 model need F64. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F64", "F32", "BF16"})
  void threadsDoNotMatter(DType type) throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Model source = new Model(GoldenModel.weights(config, 1).as(type), config);
    Model target = new Model(GoldenModel.weights(config, 0).as(type), config);
    Options options =
        Options.defaults()
            .with("residual", Residual.ORTHOGONAL)
            .with("scales", Scales.QUARTIC)
            .with("sweeps", 2);
    Result first = null;
    for (int threads : new int[] {1, 2, 5}) {
      try (Workspace ws = Workspace.builder().threads(threads).open()) {
        Result result = SymmetryAligner.of(options).align(source, target, ws);
        first = first == null ? result : first;
        assertThat(result.report()).isEqualTo(first.report());
        assertThat(result.element().layers()).isEqualTo(first.element().layers());
        assertThat(
                ((SymmetryElement.Orthogonal) result.element().residual())
                    .matrix()
                    .asTensor()
                    .sameBytes(
                        ((SymmetryElement.Orthogonal) first.element().residual())
                            .matrix()
                            .asTensor()))
            .isTrue();
      }
    }
  }

  @Test
  void f32ModelsAreRecoveredToTheirPrecision() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Checkpoint target = GoldenModel.weights(config, 0).as(DType.F32);
    Checkpoint source =
        MemoryCheckpoint.copyOf(PlantedElement.of(config, 2).still().apply(target), WS);
    SymmetryReport report = align(config, source, target, Options.defaults()).report();
    assertThat(report.after()).isLessThan(1e-12 * report.before());
  }
}
