// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.CanonicalCorrelation;
import org.merganser.similarity.Golden;
import org.merganser.similarity.KnnJaccard;
import org.merganser.similarity.Procrustes;
import org.merganser.similarity.Rsa;
import org.merganser.similarity.Similarity;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** What translation of a subset does to CKA: published formula, figures, and brute force. */
class CkaSensitivityTest {
  private static final Offset<Double> PRINTED = within(5.1e-11);
  private static final int[] THREE = {0, 1, 2};

  @ParameterizedTest
  @CsvSource({
    "-100, 0.3139470883",
    "-10, 0.6426351136",
    "-1, 0.9921935040",
    "1, 0.9924540161",
    "10, 0.6188057357",
    "100, 0.2804683919",
    "1e4, 0.2919527223"
  })
  void threeSamplesOfC(double c, double expected) {
    assertThat(ofC(THREE).at(c)).isCloseTo(expected, PRINTED);
  }

  @Test
  void limitsOfThreeSamples() {
    CkaSensitivity sensitivity = ofC(THREE);
    assertThat(sensitivity.limit()).isCloseTo(0.2921234555, PRINTED);
    assertThat(sensitivity.debiased().at(10)).isCloseTo(0.5224941266, PRINTED);
    assertThat(sensitivity.debiased().at(100)).isCloseTo(0.1342334065, PRINTED);
    assertThat(sensitivity.debiased().limit()).isCloseTo(0.1482659678, PRINTED);
  }

  @Test
  void oneOutlierOfC() {
    CkaSensitivity outlier = ofC(7);
    Close.absolute(
        "c = 10, 100, 1e4",
        outlier.curve(10, 100, 1e4),
        new double[] {0.6751559674, 0.2831449419, 0.3155126217},
        5.1e-11);
    assertThat(outlier.limit()).isCloseTo(0.3159656404, PRINTED);
    assertThat(outlier.debiased().limit()).isCloseTo(-0.4278598654, PRINTED);
  }

  @Test
  void oneSampleOfA() {
    CkaSensitivity sensitivity = of(Golden.A.x, new int[] {0}, 1, 0);
    Close.absolute(
        "c = 1, 10, 100",
        sensitivity.curve(1, 10, 100),
        new double[] {0.9884246192, 0.2977436754, 0.3770506092},
        5.1e-11);
    assertThat(sensitivity.limit()).isCloseTo(0.4155459474, PRINTED);
  }

  @Test
  void rbfLimitsOfC() {
    assertThat(rbf(Golden.C.x, THREE, 1, true).value()).isCloseTo(0.6386886798, PRINTED);
    assertThat(rbf(Golden.C.x, new int[] {7}, 1, true).value()).isCloseTo(0.8811319459, PRINTED);
    CkaSensitivity.RbfLimit half = rbf(Golden.C.x, new int[] {0, 1, 2, 3}, 1, false);
    assertThat(half.value()).isCloseTo(0.1387930235, PRINTED);
    assertThat(half.grows()).isTrue();
    assertThat(half.bandwidthY()).isInfinite();
  }

  /** Beside the kernels of samples that were moved very far, each side with its own median. */
  @Cases(20)
  void rbfLimitIsWhereItGoes(Draw draw) {
    int n = draw.integer(5, 20);
    double[][] x = Oracle.gaussian(n, draw.integer(1, 10), draw.seed());
    int[] subset = Arrays.copyOf(Oracle.permutation(n, draw.seed()), draw.integer(1, n - 1));
    double t = draw.of(0.5, 1.0, 2.0);
    boolean frozen = draw.of(true, false);
    double[] v = Oracle.gaussian(1, x[0].length, draw.seed())[0];
    double[][] y = Naive.moved(x, subset, v, 1e6 / Math.sqrt(Translation.dot(v, v)));
    double own = Naive.median(Naive.distances(x));
    double moved = frozen ? own : Naive.median(Naive.distances(y));
    double there =
        Naive.ckaOfGrams(
            Naive.rbf(x, 1 / (2 * t * t * own)), Naive.rbf(y, 1 / (2 * t * t * moved)));
    CkaSensitivity.RbfLimit limit = rbf(x, subset, t, frozen);
    assertThat(limit.value()).isCloseTo(there, within(1e-5));
    double pairs = n * (n - 1) / 2.0;
    double cross = subset.length * (double) (n - subset.length);
    assertThat(limit.grows())
        .isEqualTo(!frozen && (pairs % 2 == 0 ? cross >= pairs / 2 : cross > pairs / 2));
  }

  @Test
  void gradientsOfC() {
    double[][] biased = gradient(Golden.C.x, Golden.C.y, false);
    Close.absolute(
        "row 0", biased[0], new double[] {0.020111758615, -0.011066516162, -0.005977768820}, 1e-12);
    assertThat(biased[2][1]).isCloseTo(0.0281971321, PRINTED);
    double[][] debiased = gradient(Golden.C.x, Golden.C.y, true);
    Close.absolute(
        "row 0",
        debiased[0],
        new double[] {0.024933953069, -0.016090335645, -0.006275024831},
        1e-12);
    assertThat(debiased[2][1]).isCloseTo(0.0497006852, PRINTED);
  }

  /** Where linear CKA has gone to 0.28, measures of ranks and neighbours say other things. */
  @Test
  void otherMeasuresOfWhatWasMoved() {
    double[][] three = Naive.moved(Golden.C.x, THREE, new double[] {1, 0, 0}, 100);
    double[][] one = Naive.moved(Golden.C.x, new int[] {7}, new double[] {1, 0, 0}, 100);
    Rsa squared = Rsa.of(Rsa.Rdm.SQUARED, Rsa.Compare.SPEARMAN);
    Rsa ranks = Rsa.of(Rsa.Rdm.EUCLIDEAN, Rsa.Compare.SPEARMAN);
    assertThat(between(Procrustes.angular(), three).details().get("cosine"))
        .isCloseTo(0.4827727522, PRINTED);
    assertThat(between(squared, three).value()).isCloseTo(0.1218510588, PRINTED);
    assertThat(between(KnnJaccard.k(3), three).value()).isCloseTo(0.275, PRINTED);
    assertThat(between(CanonicalCorrelation.mean(), three).value())
        .isCloseTo(0.8499095191, PRINTED);
    assertThat(between(ranks, one).value()).isCloseTo(0.7392495484, PRINTED);
    assertThat(between(KnnJaccard.k(3), one).value()).isCloseTo(0.75, PRINTED);
  }

  /** Of the size of the subset, how far it lies from the mean, and the dimension; never above 1. */
  @Cases(30)
  void limitInWords(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(5, 30), draw.integer(1, 20), draw.seed());
    int n = x.length;
    int[] subset = Arrays.copyOf(Oracle.permutation(n, draw.seed()), draw.integer(1, n - 1));
    double share = subset.length / (double) n;
    double[] mean = Oracle.mean(x);
    double[] own = Oracle.mean(Arrays.stream(subset).mapToObj(i -> x[i]).toArray(double[][]::new));
    double distance = 0;
    for (int j = 0; j < mean.length; j++) {
      distance += (own[j] - mean[j]) * (own[j] - mean[j]);
    }
    double[][] k = Naive.linear(x);
    double trace = IntStream.range(0, n).mapToDouble(i -> k[i][i]).sum();
    double dimension = trace * trace / Naive.inner(k, k);
    double limit = of(x, subset, Oracle.gaussian(1, x[0].length, 5)[0]).limit();
    assertThat(limit)
        .isCloseTo(
            share / (1 - share) * distance / (trace / n) * Math.sqrt(dimension), within(1e-10));
    try (Matrix gram = Matrix.of(k)) {
      double first = Spectrum.largest(gram, WS);
      assertThat(limit).isLessThanOrEqualTo(first / Math.sqrt(Naive.inner(k, k)) + 1e-3);
    }
  }

  /** The closed form, for any samples, subset, direction of any length, and c of either sign. */
  @Cases(60)
  void closedFormIsDirectEvaluation(Draw draw) {
    int n = draw.integer(4, 24);
    int p = draw.integer(1, 40);
    double[][] x = Oracle.gaussian(n, p, draw.seed());
    int[] subset = Arrays.copyOf(Oracle.permutation(n, draw.seed()), draw.integer(1, n - 1));
    double[] v = Oracle.gaussian(1, p, draw.seed())[0];
    double c = draw.real(-30, 30);
    double[][] y = Naive.moved(x, subset, v, c);
    CkaSensitivity sensitivity = of(x, subset, v);
    assertThat(sensitivity.at(c)).isCloseTo(Naive.cka(x, y), within(1e-9));
    // With one feature little is left of a U-centred Gram: its errors are larger.
    assertThat(sensitivity.debiased().at(c)).isCloseTo(Naive.debiased(x, y), within(1e-7));
  }

  @Cases(40)
  void farAwayOnlyMembershipCounts(Draw draw) {
    int n = draw.integer(5, 24);
    int p = draw.integer(1, 40);
    double[][] x = Oracle.gaussian(n, p, draw.seed());
    int[] subset = Arrays.copyOf(Oracle.permutation(n, draw.seed()), draw.integer(1, n - 1));
    double[][] indicator = new double[n][1];
    for (int i : subset) {
      indicator[i][0] = 1;
    }
    CkaSensitivity sensitivity = of(x, subset, Oracle.gaussian(1, p, draw.seed())[0]);
    assertThat(sensitivity.limit()).isCloseTo(Naive.cka(x, indicator), within(1e-10));
    double far = 1e6 * sensitivity.radius();
    assertThat(sensitivity.at(far)).isCloseTo(sensitivity.limit(), within(1e-4));
    assertThat(sensitivity.at(-far)).isCloseTo(sensitivity.limit(), within(1e-4));
    int[] others = IntStream.range(0, n).filter(i -> indicator[i][0] == 0).toArray();
    assertThat(of(x, others, Oracle.gaussian(1, p, 3)[0]).limit())
        .isCloseTo(sensitivity.limit(), within(1e-10));
  }

  @Cases(20)
  void anOutlierLeavesItsShareOfTheGram(Draw draw) {
    int n = draw.integer(5, 24);
    double[][] x = Oracle.gaussian(n, draw.integer(1, 30), draw.seed());
    int i = draw.integer(0, n - 1);
    double[][] k = Naive.linear(x);
    double share = n / (n - 1.0) * k[i][i] / Math.sqrt(Naive.inner(k, k));
    double[] v = Oracle.gaussian(1, x[0].length, draw.seed())[0];
    assertThat(of(x, new int[] {i}, v).limit()).isCloseTo(share, within(1e-12));
  }

  /** With the unbiased estimator one sample far away turns the sign with the side it goes to. */
  @Test
  void debiasedLimitOfOneSampleHasASign() {
    CkaSensitivity debiased = ofC(7).debiased();
    assertThat(debiased.at(1e9)).isCloseTo(debiased.limit(), within(1e-6));
    assertThat(debiased.at(-1e9)).isCloseTo(-debiased.limit(), within(1e-6));
  }

  @Test
  void halfDistanceIsWhereTheCurveCrosses() {
    CkaSensitivity sensitivity = ofC(THREE);
    double c = sensitivity.halfDistance();
    double half = (1 + sensitivity.limit()) / 2;
    assertThat(sensitivity.at(c)).isCloseTo(half, within(1e-12));
    for (double before = 0; before < c; before += c / 1000) {
      assertThat(sensitivity.at(before)).isGreaterThanOrEqualTo(half);
    }
    CkaSensitivity twice = of(Golden.C.x, THREE, 2, 0, 0);
    assertThat(twice.halfDistance()).isCloseTo(c / 2, within(1e-9));
    assertThat(twice.at(5)).isCloseTo(sensitivity.at(10), within(1e-12));
  }

  @Test
  void twoPointsDoNotMoveApart() {
    double[][] x = {{0, 1}, {0, 1}, {2, 0}, {2, 0}, {2, 0}};
    CkaSensitivity sensitivity = of(x, new int[] {0, 1}, 1, 1);
    assertThat(sensitivity.limit()).isCloseTo(1, within(1e-12));
    assertThat(sensitivity.halfDistance()).isInfinite();
    CkaSensitivity onto = of(x, new int[] {0, 1}, 2, -1);
    assertThatThrownBy(() -> onto.at(1))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("all samples are the same point");
  }

  /** The unbiased estimator sees nothing where one sample alone differs; the other does. */
  @Test
  void oneSampleThatDiffersIsNothingToTheUnbiasedEstimator() {
    double[][] x = {{0, 1}, {0, 1}, {0, 1}, {0, 1}, {2, 3}};
    CkaSensitivity sensitivity = of(x, new int[] {0}, 1, 0);
    assertThat(sensitivity.limit())
        .isCloseTo(Naive.cka(x, new double[][] {{1}, {0}, {0}, {0}, {0}}), within(1e-12));
    assertThatThrownBy(sensitivity::debiased)
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("U-centring gives 0");
  }

  /** Logits stay, accuracy with them, and CKA falls all the same. */
  @Test
  void directionsThatAReadoutDoesNotSee() {
    double[][] x = Oracle.gaussian(200, 30, 11);
    double[][] w = Oracle.gaussian(10, 30, 12);
    double[] v;
    try (Matrix readout = Matrix.of(w)) {
      v = CkaSensitivity.unseenBy(readout, 5, WS);
    }
    int[] subset = IntStream.range(0, 40).toArray();
    double[][] y = Naive.moved(x, subset, v, 1000);
    double[][] before = Oracle.multiply(x, Oracle.transpose(w));
    Close.absolute("logits", Oracle.multiply(y, Oracle.transpose(w)), before, 1e-9);
    assertThat(Translation.dot(v, v)).isCloseTo(1, within(1e-12));
    CkaSensitivity sensitivity = of(x, subset, v);
    assertThat(sensitivity.at(1000)).isCloseTo(Naive.cka(x, y), within(1e-9)).isLessThan(0.3);
  }

  @Test
  void aReadoutOfFullRankSeesEverything() {
    try (Matrix readout = Matrix.of(Oracle.gaussian(7, 5, 1))) {
      assertThatThrownBy(() -> CkaSensitivity.unseenBy(readout, 5, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("span all 5 features");
    }
  }

  @Cases(10)
  void gradientIsThatOfDifferences(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(5, 12), draw.integer(1, 6), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(1, 6), draw.seed());
    for (boolean debiased : new boolean[] {false, true}) {
      double[][] gradient = gradient(x, y, debiased);
      double scale = Math.sqrt(Naive.inner(gradient, gradient));
      double h = 1e-6;
      for (int i = 0; i < x.length; i++) {
        double kept = x[i][0];
        x[i][0] = kept + h;
        double above = debiased ? Naive.debiased(x, y) : Naive.cka(x, y);
        x[i][0] = kept - h;
        double below = debiased ? Naive.debiased(x, y) : Naive.cka(x, y);
        x[i][0] = kept;
        assertThat(gradient[i][0])
            .isCloseTo((above - below) / (2 * h), within(1e-6 * scale + 1e-9));
      }
    }
  }

  @Test
  void refusesWhatIsNoSubsetOrDirection() {
    assertThatThrownBy(() -> ofC())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the subset has 0 of 8 samples; give some, not all");
    assertThatThrownBy(() -> ofC(0, 1, 2, 3, 4, 5, 6, 7))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("the subset has 8 of 8 samples; give some, not all");
    assertThatThrownBy(() -> ofC(8)).hasMessage("sample 8 of the subset is not in 0..7");
    assertThatThrownBy(() -> ofC(3, 3)).hasMessage("sample 3 of the subset is twice");
    assertThatThrownBy(() -> of(Golden.C.x, THREE, 0, 0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("length 0.0");
    assertThatThrownBy(() -> of(Golden.C.x, THREE, 1, 0))
        .isInstanceOf(ShapeException.class)
        .hasMessage("2 numbers for a direction of 3 features");
    double[][] constant = {{1e9, 3}, {1e9, 3}, {1e9, 3}};
    assertThatThrownBy(() -> of(constant, new int[] {0}, 1, 0))
        .isInstanceOf(NumericalException.class)
        .hasMessage("X is constant: all 3 samples have the same 2 features, so CKA is undefined");
    double[][] broken = {{1, 3}, {1, Double.NaN}, {2, 3}};
    assertThatThrownBy(() -> of(broken, new int[] {0}, 1, 0))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("X[1, 1] is NaN");
    double[][] huge = {{1e90, 3}, {0, 1}, {2, 3}};
    assertThatThrownBy(() -> of(huge, new int[] {0}, 1, 0))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("fourth powers F64 does not hold");
    double[][] few = {{1, 3}, {1, 2}, {2, 3}};
    assertThatThrownBy(() -> of(few, new int[] {0}, 1, 0).debiased())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("debiased CKA needs at least 4 samples, and there are 3");
  }

  private static Similarity between(SimilarityMeasure measure, double[][] moved) {
    try (Matrix x = Matrix.of(Golden.C.x);
        Matrix y = Matrix.of(moved)) {
      return measure.between(x, y, WS);
    }
  }

  private static CkaSensitivity ofC(int... subset) {
    return of(Golden.C.x, subset, 1, 0, 0);
  }

  private static CkaSensitivity of(double[][] x, int[] subset, double... v) {
    try (Matrix samples = Matrix.of(x)) {
      return CkaSensitivity.of(samples, subset, v, WS);
    }
  }

  private static CkaSensitivity.RbfLimit rbf(double[][] x, int[] subset, double t, boolean frozen) {
    try (Matrix samples = Matrix.of(x)) {
      return CkaSensitivity.rbfLimit(samples, subset, t, frozen, WS);
    }
  }

  private static double[][] gradient(double[][] left, double[][] right, boolean debiased) {
    Estimator estimator = debiased ? Estimator.DEBIASED : Estimator.BIASED;
    try (Matrix x = Matrix.of(left);
        Matrix y = Matrix.of(right);
        Matrix gradient = CkaSensitivity.gradient(x, y, estimator, WS)) {
      return array(gradient);
    }
  }
}
