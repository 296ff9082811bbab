// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.plan.Catalogue;
import org.merganser.similarity.Similarity.Warning;
import org.merganser.testing.Oracle;

/** What single measures refuse or warn of; what all do is in {@link MeasuresContractTest}. */
class MeasuresFailuresTest {
  private static final double[][] X = Oracle.gaussian(20, 4, 1);
  private static final double[][] Y = Oracle.gaussian(20, 3, 2);

  /** U-centring takes all there is of one sample that differs from equal ones. */
  @ParameterizedTest
  @ValueSource(
      strings = {"cka-linear-debiased:route=feature", "cka-linear-debiased:route=gram", "rv2"})
  void oneSampleThatDiffersHasNoDebiasedValue(String measure) {
    double[][] x = new double[20][4];
    x[7] = new double[] {3, 0, 1, 0.1};
    if (measure.equals("rv2")) {
      assertThat(between(measure, x, Y).value()).isBetween(-1.0, 1.0);
      return;
    }
    assertThatThrownBy(() -> between(measure, x, Y))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "X: nothing but rounding is left of its centred Gram matrix, as when one sample differs"
                + " from all others and these are equal, so the value is undefined; take the biased"
                + " estimator, or other samples");
    assertThatThrownBy(() -> between(measure, Y, x))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("Y: nothing but rounding is left");
    assertThat(between("cka-linear", x, Y).value()).isPositive();
  }

  @Test
  void valuesWhoseFourthPowersOverflowAreRefused() {
    assertThatThrownBy(() -> between("cka-linear", Oracle.scale(X, 1e80), Y))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("X has deviations of size ")
        .hasMessageEndingWith(
            ", whose fourth powers F64 does not hold; multiply the activations by a constant");
    assertThatThrownBy(() -> between("cka-linear", X, Oracle.scale(Y, 1e200)))
        .isInstanceOf(NumericalException.class)
        .hasMessage("Y[0]: its squared norm is beyond F64; multiply the activations by a constant");
    assertThatThrownBy(() -> between("cka-linear", Oracle.scale(X, 1e-90), Y))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("whose fourth powers F64 does not hold");
  }

  @Test
  void saturatedCorrelationsAreCountedAndWarnedOf() {
    double[][] x = Oracle.gaussian(8, 5, 3);
    double[][] y = Oracle.gaussian(8, 4, 4);
    for (String measure : List.of("cca-mean", "cca-r2", "eigenspace-overlap", "pwcca")) {
      Similarity found = between(measure, x, y);
      assertThat(found.details())
          .containsEntry("dims-x", 5.0)
          .containsEntry("dims-y", 4.0)
          .containsEntry("forced", 2.0);
      assertThat(found.warnings())
          .contains(
              new Warning(
                  "CCA_SATURATED",
                  "CCA is not informative: 2 of 4 correlations are 1 whatever the data, as the"
                      + " ranks 5 and 4 leave no room in 8 samples; need n > 9, or fewer directions"
                      + " (svcca)"));
    }
    assertThat(between("cca-mean", X, Y).warnings()).isEmpty();
    // More features than samples: everything correlates, and that is said.
    Similarity wide = between("cca-mean", Oracle.gaussian(6, 9, 5), Oracle.gaussian(6, 7, 6));
    assertThat(wide.value()).isCloseTo(1, within(1e-12));
    assertThat(wide.details()).containsEntry("forced", 5.0);
  }

  @Test
  void aRankBelowTheNumberOfFeaturesIsFound() {
    double[][] twice = Oracle.multiply(X, Oracle.gaussian(4, 9, 7));
    Similarity found = between("cca-mean", twice, Y);
    assertThat(found.details()).containsEntry("dims-x", 4.0);
    assertThat(found.value()).isCloseTo(between("cca-mean", X, Y).value(), within(1e-12));
  }

  @Test
  void tiedCorrelationsMakeWeightsArbitrary() {
    assertThat(between("pwcca", Golden.B.x, Golden.B.y).warnings())
        .extracting(Warning::code)
        .contains("PWCCA_TIES");
    assertThat(between("pwcca", X, Y).warnings()).isEmpty();
    // Of a representation with itself all are 1, however they are weighted.
    assertThat(between("pwcca", X, X).warnings()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "svcca:dims=4 | dims is 4, but Y has rank 3; take at most that many directions",
        "subspace-overlap:k=5 | k is 5, but X has rank 4; take at most that many directions",
        "subspace-overlap:k=4 | k is 4, but Y has rank 3; take at most that many directions",
        "knn-jaccard:k=20 | knn-jaccard needs at least 21 samples, not 20",
        "linreg-r2:folds=21 | linreg-r2 needs at least 21 samples, not 20",
      })
  void whatTheDataDoNotAllowIsRefused(String measure, String message) {
    assertThatThrownBy(() -> between(measure, X, Y))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void samplesWithoutACorrelationAreNamed() {
    double[][] x = Oracle.map(X, v -> v);
    x[3] = new double[] {0.1, 0.1, 0.1, 0.1};
    x[11] = new double[] {-2, -2, -2, -2};
    assertThatThrownBy(() -> between("rsa:rdm=correlation", x, Y))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "X: samples 3, 11 have equal features, so dissimilarities by correlation are undefined;"
                + " take rdm=euclidean, or leave such samples out");
    double[][] y = Oracle.map(Y, v -> v);
    y[5] = new double[3];
    assertThatThrownBy(() -> between("rsa:rdm=cosine", x, y))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "Y: sample 5 has features 0, so dissimilarities by cosine are undefined; take"
                + " rdm=euclidean, or leave such samples out");
    assertThatThrownBy(() -> between("rsa:rdm=correlation", Oracle.gaussian(20, 1, 8), Y))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("X has 1 feature: its samples have no correlation; take rdm=euclidean");
    assertThat(between("rsa:rdm=correlation", Oracle.gaussian(20, 2, 8), Y).warnings())
        .containsExactly(
            new Warning(
                "RSA_TWO_FEATURES",
                "X has 2 features: their correlations are 1 or -1, dissimilarities 0 or 2; take"
                    + " rdm=euclidean"));
  }

  @Test
  void equalDissimilaritiesCorrelateWithNothing() {
    // The corners of a simplex.
    assertThatThrownBy(() -> between("rsa", Oracle.identity(20), Y))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("X: all 190 dissimilarities (euclidean) are 1.41421356")
        .hasMessageEndingWith(", so they correlate with nothing");
  }

  /** Equal distances go to the lower index, also where a mean that is no integer is taken off. */
  @Test
  void tiesAreExactOnAGrid() {
    double[][] x = Oracle.map(Oracle.gaussian(50, 6, 9), v -> Math.rint(2 * v) + 1000);
    double[][] y = Oracle.map(Oracle.gaussian(50, 5, 10), v -> Math.rint(v) / 8);
    assertThat(between("knn-jaccard:k=4", x, y).value()).isEqualTo(jaccard(x, y, 4));
  }

  private static double jaccard(double[][] x, double[][] y, int k) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      List<Integer> a = nearest(x, i, k);
      List<Integer> b = nearest(y, i, k);
      double shared = a.stream().filter(b::contains).count();
      sum += shared / (2 * k - shared);
    }
    return sum / x.length;
  }

  private static List<Integer> nearest(double[][] x, int i, int k) {
    return IntStream.range(0, x.length)
        .filter(j -> j != i)
        .boxed()
        .sorted(Comparator.comparingDouble(j -> distance(x[i], x[j])))
        .limit(k)
        .toList();
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) {
      sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
  }

  private static Similarity between(String measure, double[][] x, double[][] y) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      return Catalogue.measures().method(measure).between(left, right, WS);
    }
  }
}
