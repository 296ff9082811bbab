// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.symmetry.SymmetryAligner.Model;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.QueryKey;
import org.merganser.symmetry.SymmetryAligner.Residual;
import org.merganser.symmetry.SymmetryAligner.Result;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryAligner.ValueOutput;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryMoments.Taps;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Alignment by activations. */
class SymmetryMomentsTest {
  private static final Workspace WS = Workspace.open();

  @AfterAll
  static void close() {
    WS.close();
  }

  /** Moments of random sequences. */
  private static SymmetryMoments moments(Model source, Model target, int sequences, int length)
      throws IOException {
    TransformerConfig config = target.config();
    SymmetryMoments moments = SymmetryMoments.of(config);
    SplittableRandom random = new SplittableRandom(4);
    for (int k = 0; k < sequences; k++) {
      int[] ids = random.ints(length, 0, config.vocabulary()).toArray();
      moments.add(
          ReferenceForward.taps(config, source.weights(), ids, WS),
          ReferenceForward.taps(config, target.weights(), ids, WS),
          WS);
    }
    return moments;
  }

  private static Result align(Model source, Model target, Options options, int sequences)
      throws IOException {
    int length = Math.min(64, target.config().positions());
    try (SymmetryMoments moments = moments(source, target, sequences, length)) {
      return SymmetryAligner.of(options).align(source, target, moments, WS);
    }
  }

  private static void assertRecovered(Result result) throws IOException {
    SymmetryReport report = result.report();
    assertThat(report.after()).as(report.toString()).isLessThan(1e-20 * report.before());
    Checkpoint moved = result.element().apply(result.source().weights());
    assertThat(Perturbed.squaredDistance(moved, result.target().weights(), WS))
        .isLessThan(1e-20 * report.before());
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void symmetriesOfTheLayersAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    Checkpoint source = PlantedElement.of(config, 3).shifts().still().apply(target);
    Result result =
        align(new Model(source, config), new Model(target, config), Options.defaults(), 8);
    assertRecovered(result);
  }

  @ParameterizedTest
  @EnumSource(
      value = GoldenModel.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"BERT"})
  void rotationsOfTheStreamAreFoundAfterBalancing(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    NormAbsorption absorbed = NormAbsorption.of(model.weights(), config, true, WS);
    Model target = new Model(absorbed.checkpoint(), absorbed.config());
    Checkpoint source =
        PlantedElement.of(absorbed.config(), 3).factors().rotated().apply(target.weights());
    Options options =
        Options.defaults().with("residual", Residual.ORTHOGONAL).with("scales", Scales.BALANCE);
    assertRecovered(align(new Model(source, absorbed.config()), target, options, 8));
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void signedPermutationsOfTheStreamAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    Model target = new Model(model.weights(), config);
    Options options = Options.defaults().with("residual", Residual.SIGNED_PERMUTATION);
    Set<Integer> first = new HashSet<>();
    for (long seed = 1; seed <= 6; seed++) {
      SymmetryElement planted = PlantedElement.of(config, seed).signed();
      first.add(((SymmetryElement.SignedPermutation) planted.residual()).signs()[0]);
      Model source = new Model(planted.apply(target.weights()), config);
      assertRecovered(align(source, target, options, 8));
    }
    assertThat(first).containsExactlyInAnyOrder(1, -1);
  }

  /** Rotations between balanced models, of moments of what balancing makes of activations. */
  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void anyMapsOfHeadsAreFoundAfterBalancing(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    Set<Kind> kinds =
        EnumSet.of(
            Kind.UNITS,
            Kind.UNIT_SCALES,
            Kind.HEADS,
            Kind.VALUE_OUTPUT,
            Kind.QUERY_KEY,
            Kind.SHIFT);
    Model target = new Model(model.weights(), config);
    Checkpoint source = SymmetryElement.random(config, kinds, 5).apply(target.weights());
    Options options =
        Options.defaults()
            .with("scales", Scales.BALANCE)
            .with("valueOutput", ValueOutput.GENERAL)
            .with("queryKey", config.rope().isPresent() ? QueryKey.AUTO : QueryKey.GENERAL);
    assertRecovered(align(new Model(source, config), target, options, 8));
  }

  /**
   * With noise a matrix between unbalanced models would not do: the result is about as near as the
   * planted element.
   */
  @Test
  void generalMapsOfNoisyModelsAreFound() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Checkpoint base = GoldenModel.weights(config, 0);
    Checkpoint source =
        SymmetryElement.random(config, EnumSet.of(Kind.HEADS, Kind.VALUE_OUTPUT), 3).apply(base);
    Checkpoint target = Perturbed.noisy(base, 0.02, 9, WS);
    Options options = Options.defaults().with("valueOutput", ValueOutput.GENERAL);
    Result result = align(new Model(source, config), new Model(target, config), options, 16);
    double planted = Perturbed.squaredDistance(base, target, WS);
    assertThat(result.report().after()).isLessThan(1.2 * planted);
    Checkpoint moved = result.element().apply(source);
    assertThat(result.report().after())
        .isCloseTo(Perturbed.squaredDistance(moved, target, WS), within(1e-9 * planted));
  }

  @Test
  void factorsAreRatiosOfDeviations() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Model target = new Model(GoldenModel.LLAMA.weights(), config);
    Set<Kind> kinds = EnumSet.of(Kind.UNITS, Kind.UNIT_SCALES);
    Checkpoint source = SymmetryElement.random(config, kinds, 3).apply(target.weights());
    Options options = Options.defaults().with("scales", Scales.QUARTIC);
    Result result = align(new Model(source, config), target, options, 8);
    assertRecovered(result);
    assertThat(result.report().warnings())
        .containsExactly(
            "scales=quartic: activations give factors of hidden units alone; those of queries, keys"
                + " and values stay as they are, set scales=balance for them");
  }

  /** The numbers of the specification: with 1024 tokens weights say more of a planted element. */
  @ParameterizedTest
  @CsvSource({"0, 0", "0.02, 22.8", "0.1, 517"})
  void theNumbersOfThePlantedTest(double noise, double expected) throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Checkpoint base =
        NormAbsorption.of(GoldenModel.weights(config, 0), config, false, WS).checkpoint();
    Checkpoint source = PlantedElement.of(config, 1).factors().rotated().apply(base);
    Checkpoint target = noise == 0 ? base : Perturbed.noisy(base, noise, 9, WS);
    Options options =
        Options.defaults().with("residual", Residual.ORTHOGONAL).with("scales", Scales.BALANCE);
    Result result = align(new Model(source, config), new Model(target, config), options, 16);
    if (noise == 0) {
      assertRecovered(result);
    } else {
      assertThat(result.report().after()).isCloseTo(expected, within(0.3 * expected));
    }
    assertThat(result.report().warnings()).isEmpty();
  }

  @Test
  void fewTokensAreWarnedOfAndTooFewForTheStreamRefused() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Model model = new Model(GoldenModel.LLAMA.weights(), config);
    try (SymmetryMoments moments = moments(model, model, 1, 8)) {
      assertThat(
              SymmetryAligner.of(Options.defaults())
                  .align(model, model, moments, WS)
                  .report()
                  .warnings())
          .containsExactly("8 tokens are few for 24 hidden units; 96 or more are wanted");
      assertThatThrownBy(
              () ->
                  SymmetryAligner.of(Options.defaults().with("residual", Residual.ORTHOGONAL))
                      .align(model, model, moments, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining(
              "8 tokens say nothing of most of the 16 channels of the residual stream");
    }
  }

  @Test
  void tokensThatAreNotFiniteAreLeftOut() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Model model = new Model(GoldenModel.LLAMA.weights(), config);
    int[] ids = new SplittableRandom(1).ints(200, 0, 32).toArray();
    List<Taps> clean = ReferenceForward.taps(config, model.weights(), ids, WS);
    List<Taps> bad = ReferenceForward.taps(config, model.weights(), ids, WS);
    bad.get(1).hidden().set(7, 3, Double.NaN);
    bad.get(0).keys().set(7, 0, Double.POSITIVE_INFINITY);
    try (SymmetryMoments moments = SymmetryMoments.of(config)) {
      moments.add(clean, bad, WS);
      assertThat(moments.tokens()).isEqualTo(199);
      assertThat(moments.dropped()).isEqualTo(1);
      Result result = SymmetryAligner.of(Options.defaults()).align(model, model, moments, WS);
      assertThat(result.report().movedUnits()).isZero();
      assertThat(result.report().movedHeads()).isZero();
      assertThat(result.report().after()).isLessThan(1e-24);
      assertThat(result.report().warnings())
          .containsExactly("1 of 200 tokens were not finite and left out");
      bad.get(0).residual().set(8, 0, Double.NaN);
      bad.get(0).residual().set(9, 0, Double.NaN);
      moments.add(bad, clean, WS);
      moments.add(bad, clean, WS);
      assertThatThrownBy(
              () -> SymmetryAligner.of(Options.defaults()).align(model, model, moments, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("7 of 600 tokens have activations that are not finite");
    }
  }

  @Test
  void whatIsMissingIsNamed() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Model model = new Model(GoldenModel.LLAMA.weights(), config);
    List<Taps> taps = ReferenceForward.taps(config, model.weights(), new int[] {1, 2}, WS);
    List<Taps> other = ReferenceForward.taps(config, model.weights(), new int[] {1}, WS);
    try (SymmetryMoments moments = SymmetryMoments.of(config)) {
      assertThatThrownBy(() -> moments.add(taps, taps.subList(0, 1), WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("activations of 2 layers of the source and 1 of the target, of models of 2");
      assertThatThrownBy(() -> moments.add(taps, other, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("queries of layer 0 of the target: a 1 x 16 F64 matrix");
      assertThatThrownBy(
              () -> SymmetryAligner.of(Options.defaults()).align(model, model, moments, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("0 of 0 tokens");
    }
    TransformerConfig wide = GoldenModel.medium();
    try (SymmetryMoments moments = SymmetryMoments.of(wide)) {
      assertThatThrownBy(
              () -> SymmetryAligner.of(Options.defaults()).align(model, model, moments, WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("hidden: 16 in the source, 64 in the moments");
    }
  }

  /** Sums over batches in one order: the same bits for any threads. */
  @Test
  void threadsDoNotMatter() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Model source = new Model(GoldenModel.weights(config, 1), config);
    Model target = new Model(GoldenModel.weights(config, 0), config);
    Result first = null;
    for (int threads : new int[] {1, 3}) {
      try (Workspace ws = Workspace.builder().threads(threads).open();
          SymmetryMoments moments = SymmetryMoments.of(config)) {
        int[] ids = new SplittableRandom(2).ints(100, 0, config.vocabulary()).toArray();
        moments.add(
            ReferenceForward.taps(config, source.weights(), ids, ws),
            ReferenceForward.taps(config, target.weights(), ids, ws),
            ws);
        Result result = SymmetryAligner.of(Options.defaults()).align(source, target, moments, ws);
        first = first == null ? result : first;
        assertThat(result.report()).isEqualTo(first.report());
        assertThat(result.element().layers()).isEqualTo(first.element().layers());
      }
    }
  }
}
