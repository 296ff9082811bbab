// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.Aligner.Unit;
import org.merganser.align.RidgeAligner.Options;
import org.merganser.error.NumericalException;
import org.merganser.model.Architecture;
import org.merganser.model.MapFamily;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Figures from {@code numpy.linalg.solve} on the same samples, in a space of other widths. */
class RidgeAlignerTest {
  private static final double[][] X = {{1, 2}, {3, -1}, {0, 4}, {-2, 1}, {5, 0}, {2, -3}};
  private static final double[][] Y = {
    {2, 1, 0}, {1, -1, 3}, {0, 2, 2}, {-1, 0, 1}, {4, 1, -2}, {1, -2, 1}
  };

  static Stream<Arguments> goldens() {
    return Stream.of(
        Arguments.of(
            new Options(0, Unit.RELATIVE),
            new double[][] {
              {1.7331103678929767, -0.30702341137123734, 0.6133779264214051},
              {-0.3665551839464882, 1.6535117056856186, 0.1933110367892977}
            },
            new double[][] {
              {0.7049418604651162, 0.17005813953488363},
              {0.21656976744186035, 0.6584302325581394},
              {-0.3546511627906977, -0.1453488372093023}
            },
            new double[] {0.9919864848376523, 0.9675477995439011}),
        Arguments.of(
            new Options(0.5, Unit.ABSOLUTE),
            new double[][] {
              {1.172539489671932, -0.2879708383961118, 0.1737545565006073},
              {-0.31726034405576514, 1.2645008633369572, 0.10711773358061012}
            },
            new double[][] {
              {0.6184210526315789, 0.11842105263157893},
              {0.16189931350114417, 0.5749427917620138},
              {-0.3083524027459954, -0.11270022883295197}
            },
            new double[] {0.9916547377474044, 0.9497309931794842}),
        Arguments.of(
            Options.defaults().withLambda(0.1),
            new double[][] {
              {1.4089424013451872, -0.3087257423669228, 0.3448049846858697},
              {-0.3472987567459013, 1.4513051678632205, 0.1421791933302831}
            },
            new double[][] {
              {0.6196651746621457, 0.11912110502123163},
              {0.1626466762943546, 0.5761396033890227},
              {-0.3090143295597773, -0.11314925883072402}
            },
            new double[] {0.9918693403973877, 0.9619283172806233}));
  }

  @ParameterizedTest
  @MethodSource("goldens")
  void regressionsBothWays(Options options, double[][] t, double[][] s, double[] correlations) {
    SpaceAlignment found = align(RidgeAligner.of(options), X, Y);
    MapPair pair = (MapPair) found.map();
    Close.absolute("T", array(pair.out()), t, 1e-12);
    Close.absolute("S", array(pair.in()), s, 1e-12);
    assertThat(found.spectrum()).containsExactly(correlations, within(1e-12));
    assertThat(found.score()).isCloseTo((correlations[0] + correlations[1]) / 2, within(1e-12));
    assertThat(found.evidence().samples()).isEqualTo(6);
  }

  /** As lambda grows, T tends to the cross-covariance over lambda. */
  @Test
  void aLargePenaltyLeavesTheCrossCovariance() {
    MapPair pair = (MapPair) align(RidgeAligner.absoluteLambda(1e9), X, Y).map();
    double[][] limit = Oracle.scale(Oracle.covariance(X, Y), 1e-9);
    Close.relative("T", array(pair.out()), limit, 1e-7);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.1, 10})
  void traitsHoldWithEveryPenaltyAndUnit(double lambda) {
    AlignerTraits.check(RidgeAligner.relativeLambda(lambda));
    AlignerTraits.check(RidgeAligner.absoluteLambda(lambda));
  }

  @Test
  void whatCannotBePredictedFromIsNamed() {
    double[][] constant = Oracle.map(X, v -> 2.5);
    assertThatThrownBy(() -> align(RidgeAligner.relativeLambda(1), X, constant))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "space \"s\", model 1: all 2 features are constant (trace of the covariance 0.0);"
                + " nothing can be predicted from them");
    double[][] few = Oracle.gaussian(4, 4, 1);
    assertThatThrownBy(() -> align(RidgeAligner.relativeLambda(0), few, few))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "space \"s\", model 1: 4 features but only 4 samples, covariance rank <= 3; raise"
                + " lambda (now 0) or give > 4 samples");
    assertThatThrownBy(() -> RidgeAligner.relativeLambda(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("lambda must be finite and at least 0, not -1.0");
  }

  private static SpaceAlignment align(Aligner aligner, double[][] x, double[][] y) {
    Architecture reference = Activations.oneSpace(x[0].length, MapFamily.PERMUTATION);
    Architecture model = Activations.oneSpace(y[0].length, MapFamily.PERMUTATION);
    AlignmentProblem problem =
        AlignmentProblem.of(
            List.of(reference, model),
            Activations.of(Activations.moments(Precision.F64, WS, x, y)));
    return aligner.align(problem, WS).of(1).spaces().get("s");
  }
}
