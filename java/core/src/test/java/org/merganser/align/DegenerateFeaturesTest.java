// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Polar.Completion;
import org.merganser.model.MapFamily;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Dead features, constant features, too few samples: reported, never repaired in silence. */
class DegenerateFeaturesTest {

  @Test
  void anAllZeroFeatureOfTheSameModelStaysWhereItIs() {
    double[][] x = withDead(Oracle.gaussian(100, 6, 1), 2);
    SpaceAlignment found = align(CcaAligner.absoluteGamma(0.1), x, x);
    Close.absolute("T", found.map().toMatrix(WS), Oracle.identity(6), 1e-14);
    assertThat(found.completion()).isEqualTo(Completion.IDENTITY);
    assertThat(found.spectrum()[5]).isLessThan(1e-15);
    SpaceAlignment relative = align(CcaAligner.relativeGamma(1), x, x);
    Close.absolute("T", relative.map().toMatrix(WS), Oracle.identity(6), 1e-14);
    SpaceAlignment rotated = align(ProcrustesAligner.orthogonal(), x, x);
    Close.absolute("T", rotated.map().toMatrix(WS), Oracle.identity(6), 1e-14);
    assertThat(rotated.completion()).isEqualTo(Completion.IDENTITY);
  }

  /** Dead features fit each other alike; swapping them would change the weights behind them. */
  @Test
  void deadFeaturesOfTheSameModelAreNotSwapped() {
    for (int n : new int[] {4, 9, 40}) {
      double[][] x = withDead(Oracle.gaussian(100, n, n), 0, 2, n - 1);
      for (var kind : PermutationAligner.Kind.values()) {
        Aligner aligner = PermutationAligner.of(new PermutationAligner.Options(kind));
        Close.absolute(kind + " T", align(aligner, x, x).map().toMatrix(WS), Oracle.identity(n), 0);
      }
    }
  }

  @Test
  void liveFeaturesSayNothingWasCompleted() {
    double[][] x = Oracle.gaussian(100, 6, 1);
    assertThat(align(CcaAligner.relativeGamma(1), x, x).completion()).isEqualTo(Completion.NONE);
    assertThat(align(PermutationAligner.byCorrelation(), x, x).completion())
        .isEqualTo(Completion.NONE);
  }

  @Test
  void aPlantedPermutationIsFoundAroundDeadFeatures() {
    double[][] x = withDead(Oracle.gaussian(200, 8, 3), 1, 6);
    int[] order = {7, 6, 5, 4, 3, 2, 1, 0};
    double[][] y = Oracle.columns(x, order);
    SpaceAlignment found = align(PermutationAligner.byCorrelation(), x, y);
    int[] permutation = ((ScaledPermutation) found.map()).permutation();
    for (int r : new int[] {0, 2, 3, 4, 5, 7}) {
      assertThat(permutation[r]).isEqualTo(7 - r);
    }
    // Features 1 and 6 of both are dead; with nothing to say, they go in index order.
    assertThat(permutation[1]).isEqualTo(1);
    assertThat(permutation[6]).isEqualTo(6);
    assertThat(found.spectrum()).hasSize(8).endsWith(0, 0);
    assertThat(found.score()).isCloseTo(0.75, org.assertj.core.api.Assertions.within(1e-12));
    SpaceAlignment cca = align(CcaAligner.relativeGamma(1), x, y);
    double[][] t = cca.map().toMatrix(WS).toArray();
    for (int r : new int[] {0, 2, 3, 4, 5, 7}) {
      double[] expected = new double[8];
      expected[7 - r] = 1;
      Close.absolute("row " + r, t[r], expected, 1e-9);
    }
    assertThat(cca.completion()).isNotEqualTo(Completion.NONE);
  }

  @Test
  void fewerSamplesThanFeaturesNeedGamma() {
    double[][] x = Oracle.gaussian(5, 8, 1);
    double[][] y = Oracle.gaussian(5, 8, 2);
    assertThatThrownBy(() -> align(CcaAligner.relativeGamma(0), x, y))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "space \"s\": 8 features but only 5 samples, covariance rank <= 4; raise gamma (now 0)"
                + " or give > 8 samples");
    SpaceAlignment found = align(CcaAligner.relativeGamma(0.1), x, y);
    assertThat(found.completion()).isNotEqualTo(Completion.NONE);
    Close.absolute(
        "T T^-1",
        Oracle.multiply(
            found.map().toMatrix(WS).toArray(), found.map().inverse().toMatrix(WS).toArray()),
        Oracle.identity(8),
        1e-9);
    // Self-alignment has an answer even here: the nearest to the identity.
    Close.absolute(
        "T",
        align(CcaAligner.relativeGamma(0.1), x, x).map().toMatrix(WS),
        Oracle.identity(8),
        1e-9);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cca", "procrustes", "procrustes-scaled"})
  void aModelWithoutAnyVarianceCannotBeRotated(String id) {
    double[][] x = Oracle.gaussian(20, 3, 1);
    double[][] constant = Oracle.map(x, v -> 2.5);
    assertThatThrownBy(() -> align(Catalogue.aligner(id), x, constant))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space \"s\", model 1: all 3 features are constant");
    assertThatThrownBy(() -> align(Catalogue.aligner(id), constant, x))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space \"s\", model 0: all 3 features are constant");
  }

  @Test
  void aGammaBeyondF64IsSaidWithTheTraceItComesFrom() {
    double[][] x = Oracle.map(Oracle.gaussian(20, 3, 1), v -> v * 1e10);
    assertThatThrownBy(() -> align(CcaAligner.relativeGamma(1e300), x, x))
        .isInstanceOf(NumericalException.class)
        .hasMessageMatching(
            "space \"s\", model 0: the trace of the covariance is .*E20, and F64 does not hold it or"
                + " its mean times gamma \\(1.0E300\\); the statistics are damaged, or the"
                + " activations or gamma too large");
    assertThat(align(CcaAligner.absoluteGamma(1e20), x, x).completion()).isNotNull();
  }

  @Test
  void constantFeaturesAreMatchedInIndexOrder() {
    double[][] constant = Oracle.map(Oracle.gaussian(20, 4, 1), v -> 2.5);
    SpaceAlignment found = align(PermutationAligner.byCorrelation(), constant, constant);
    assertThat(found.map()).isEqualTo(ScaledPermutation.of(0, 1, 2, 3));
    assertThat(found.score()).isZero();
  }

  @Test
  void negativeCorrelationsAreUsedAsTheyAre() {
    double[][] x = Oracle.gaussian(100, 2, 1);
    double[][] y = Oracle.map(Oracle.columns(x, new int[] {1, 0}), v -> -v);
    // Best is to avoid the features that fit but for their sign.
    SpaceAlignment found = align(PermutationAligner.byCorrelation(), x, y);
    assertThat(found.map()).isEqualTo(ScaledPermutation.of(0, 1));
  }

  @Test
  void statisticsMustFitTheArchitecture() {
    double[][] one = Oracle.gaussian(1, 3, 1);
    var moments = Activations.of(Activations.moments(Precision.F64, WS, one, one));
    assertThatThrownBy(
            () -> AlignmentProblem.of(Activations.oneSpace(4, MapFamily.PERMUTATION), moments))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "statistics do not fit the architecture:\n"
                + "  space 's', model 0: statistics of 3 features, the architecture has 4\n"
                + "  space 's', model 1: statistics of 3 features, the architecture has 4\n"
                + "  space 's': 1 samples, at least 2 are needed");
  }

  @Test
  void spacesMustBeOfTheSameModels() {
    double[][] x = Oracle.gaussian(9, 3, 1);
    var moments =
        org.merganser.stats.Moments.of(
            java.util.Map.of(
                "s", Activations.moments(Precision.F64, WS, x, x),
                "t", Activations.moments(Precision.F64, WS, x)));
    var binding = org.merganser.model.Binding.of("w", 0, org.merganser.model.Role.BIAS);
    var other = org.merganser.model.Binding.of("v", 0, org.merganser.model.Role.BIAS);
    var architecture =
        org.merganser.model.Architecture.builder()
            .space("s", 3, MapFamily.PERMUTATION, binding)
            .space("t", 3, MapFamily.PERMUTATION, other)
            .build();
    assertThatThrownBy(() -> AlignmentProblem.of(architecture, moments))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("space 't': statistics of 1 models, the first space has 2");
  }

  @Test
  void blocksThatWereNotCollectedAreNamed() {
    double[][] x = Oracle.gaussian(9, 3, 1);
    try (var accumulator =
        new org.merganser.stats.MomentAccumulator(
            "s",
            new long[] {3, 3},
            PermutationAligner.REQUEST,
            Precision.F64,
            org.merganser.stats.NonFinite.FAIL,
            WS)) {
      accumulator.update(Activations.tensors(org.merganser.compute.DType.F64, WS, x, x));
      AlignmentProblem problem =
          AlignmentProblem.of(
              Activations.oneSpace(3, MapFamily.PERMUTATION),
              Activations.of(accumulator.moments()));
      assertThatThrownBy(() -> CcaAligner.relativeGamma(1).align(problem, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "block (0, 0) was not collected; there are [Pair[i=0, j=1]]; collect with the"
                  + " request of the aligner");
    }
  }

  @Test
  void gammaIsChecked() {
    assertThatThrownBy(() -> CcaAligner.relativeGamma(-0.1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("gamma must be finite and at least 0, not -0.1");
    assertThatThrownBy(() -> CcaAligner.absoluteGamma(Double.NaN))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static SpaceAlignment align(Aligner aligner, double[][] x, double[][] y) {
    AlignmentProblem problem =
        AlignmentProblem.of(
            Activations.oneSpace(x[0].length, MapFamily.PERMUTATION),
            Activations.of(Activations.moments(Precision.F64, WS, x, y)));
    return aligner.align(problem, WS).of(1).spaces().get("s");
  }

  private static double[][] withDead(double[][] x, int... dead) {
    for (double[] row : x) {
      for (int d : dead) {
        row[d] = 0;
      }
    }
    return x;
  }
}
