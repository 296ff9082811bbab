// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Worked values of every measure, computed once with NumPy to ten decimals. */
class MeasuresGoldenTest {
  private static final double DIGITS = 5.1e-11;

  /** Dependence of kernels: HSIC, and CKA of Gaussian kernels and of batches. */
  @ParameterizedTest
  @CsvSource({
    "hsic, A, 203.4722222222",
    "hsic, B, 18.9025",
    "hsic, C, 170.1836734694",
    "hsic:route=feature, A, 203.4722222222",
    "hsic:estimator=debiased, A, 52.1666666667",
    "hsic:estimator=debiased, B, 7.6",
    "hsic:estimator=debiased, C, 95.6214285714",
    "'hsic:estimator=debiased,route=feature', C, 95.6214285714",
    "'hsic:estimator=debiased,route=gram', C, 95.6214285714",
    "cka-rbf, A, 0.8575978345",
    "cka-rbf, B, 0.7912432920",
    "cka-rbf, C, 0.6806324950",
    "cka-rbf:t=0.5, A, 0.9549733321",
    "cka-rbf:t=0.5, B, 0.9327667189",
    "cka-rbf:t=0.5, C, 0.8177842095",
    "cka-rbf:t=0.2, A, 0.9999787758",
    "cka-rbf:t=0.2, B, 0.9998421350",
    "cka-rbf:t=0.2, C, 0.9965375041",
    "cka-rbf:bandwidth=all, A, 0.8712791808",
    "cka-rbf:bandwidth=all, B, 0.8131182791",
    "cka-rbf:bandwidth=all, C, 0.6827323774",
    "'cka-rbf:bandwidth=all,t=0.5', A, 0.9717754301",
    "'cka-rbf:bandwidth=all,t=0.5', B, 0.9432135853",
    "'cka-rbf:bandwidth=all,t=0.5', C, 0.8255719618",
    "cka-rbf:estimator=debiased, A, 0.0577485677",
    "cka-rbf:estimator=debiased, B, 0.5335198306",
    "cka-rbf:estimator=debiased, C, 0.4233480635",
    "cka-minibatch:batch=4, C, 0.6641869358",
    "cka-minibatch:batch=8, C, 0.4850088392",
    "cka-minibatch, C, 0.4850088392",
  })
  void valueOfAKernelMeasure(String measure, Golden golden, double wanted) {
    assertValue(measure, golden, wanted);
  }

  /** Linear CKA and the RV coefficients. */
  @ParameterizedTest
  @CsvSource({
    "cka-linear, A, 0.8416065609",
    "cka-linear, B, 0.5924152726",
    "cka-linear, C, 0.6403567760",
    "cka-linear:route=feature, A, 0.8416065609",
    "cka-linear:route=gram, A, 0.8416065609",
    "cka-linear:route=feature, C, 0.6403567760",
    "cka-linear:route=gram, C, 0.6403567760",
    "rv, C, 0.6403567760",
    "cka-linear-debiased, A, 0.4186523988",
    "cka-linear-debiased, B, 0.3760779017",
    "cka-linear-debiased, C, 0.4850088392",
    "cka-linear-debiased:route=feature, C, 0.4850088392",
    "cka-linear-debiased:route=gram, C, 0.4850088392",
    "cka-angular, A, 0.5705453514",
    "cka-angular, B, 0.9367427968",
    "cka-angular, C, 0.8758336459",
    "rv2, A, 0.7136255296",
    "rv2, B, 0.4351047297",
    "rv2, C, 0.5146081675",
    "rv2:route=feature, C, 0.5146081675",
  })
  void valueOfALinearKernelMeasure(String measure, Golden golden, double wanted) {
    assertValue(measure, golden, wanted);
  }

  /** Canonical correlations, regression, subspaces. */
  @ParameterizedTest
  @CsvSource({
    "cca-mean, A, 0.9371343250",
    "cca-mean, B, 0.8516568480",
    "cca-mean, C, 0.8072881629",
    "cca-r2, A, 0.8821728361",
    "cca-r2, B, 0.7693307683",
    "cca-r2, C, 0.6642017177",
    "eigenspace-overlap, A, 0.8821728361",
    "eigenspace-overlap, B, 0.7693307683",
    "eigenspace-overlap, C, 0.4428011451",
    "svcca:share=0.9, A, 0.9989405455",
    "svcca:share=0.9, B, 0.5121562372",
    "svcca:share=0.7, C, 0.7336209729",
    "svcca:dims=2, C, 0.7336209729",
    "pwcca:weights=x, A, 0.9582618111",
    "pwcca:weights=y, A, 0.9738687699",
    "pwcca:weights=x, C, 0.8324178855",
    "pwcca:weights=y, C, 0.8244454513",
    "pwcca, C, 0.8244454513",
    "linreg-r2, A, 0.9365561426",
    "linreg-r2, B, 0.8826652178",
    "linreg-r2, C, 0.5837291283",
    "subspace-overlap:k=1, A, 0.7967506001",
    "subspace-overlap:k=2, A, 0.8821728361",
    "subspace-overlap:k=1, B, 0.5102258273",
    "subspace-overlap:k=2, B, 0.4237410389",
    "subspace-overlap:k=1, C, 0.5247510708",
    "subspace-overlap:k=2, C, 0.5692070428",
  })
  void valueOfASubspaceMeasure(String measure, Golden golden, double wanted) {
    assertValue(measure, golden, wanted);
  }

  /** Rotations, matched features, distances of samples and their neighbours. */
  @ParameterizedTest
  @CsvSource({
    "procrustes-distance, A, 3.3965711102",
    "procrustes-distance, B, 3.9842362694",
    "procrustes-distance, C, 10.2912112917",
    "procrustes-normalised, A, 0.4202426873",
    "procrustes-normalised, B, 0.7106346469",
    "procrustes-normalised, C, 0.7365086538",
    "procrustes-angular, A, 0.4233981452",
    "procrustes-angular, B, 0.7265070421",
    "procrustes-angular, C, 0.7542613960",
    "matched-correlation, A, 0.7498342036",
    "matched-correlation, B, 0.3720661543",
    "matched-correlation, C, 0.7373964613",
    "rsa, A, 0.7714285714",
    "rsa, B, 0.5975489943",
    "rsa, C, 0.3723237977",
    "rsa:compare=pearson, A, 0.7799959823",
    "rsa:compare=pearson, B, 0.3061770394",
    "rsa:compare=pearson, C, 0.4897682145",
    "'rsa:rdm=squared,compare=pearson', A, 0.8070760291",
    "'rsa:rdm=squared,compare=pearson', B, 0.2145942900",
    "'rsa:rdm=squared,compare=pearson', C, 0.5017645687",
    "'rsa:rdm=correlation,compare=pearson', B, 0.2190804226",
    "knn-jaccard:k=3, C, 0.3875",
  })
  void valueOfAGeometricMeasure(String measure, Golden golden, double wanted) {
    assertValue(measure, golden, wanted);
  }

  private static void assertValue(String measure, Golden golden, double wanted) {
    assertThat(between(measure, golden.x, golden.y).value())
        .as(measure + " of " + golden)
        .isCloseTo(wanted, within(DIGITS));
  }

  @ParameterizedTest
  @CsvSource({
    "A, 67.1666666667, 231.1666666667",
    "B, 37.4666666667, 10.9",
    "C, 301.5380952381, 128.9047619048",
  })
  void debiasedHsicOfASideWithItself(Golden golden, double ofX, double ofY) {
    String measure = "hsic:estimator=debiased";
    double[] found = {
      between(measure, golden.x, golden.x).value(), between(measure, golden.y, golden.y).value()
    };
    Close.absolute("HSIC", found, new double[] {ofX, ofY}, DIGITS);
  }

  /** A large bandwidth is no bandwidth: the linear kernel. */
  @Test
  void aWideGaussianTendsToLinear() {
    assertThat(between("cka-rbf:t=100", Golden.C.x, Golden.C.y).value())
        .isCloseTo(0.6403605, within(5.1e-8));
  }

  @ParameterizedTest
  @CsvSource({"A, 0.4265288860", "B, 0.4343804088", "C, 0.2973441559"})
  void chanceOfALinearKernelIsThatOfAWideGaussian(Golden golden, double wanted) {
    Similarity found = between("cka-rbf:t=10000", golden.x, golden.y);
    assertThat(found.details().get("chance")).isCloseTo(wanted, within(1e-6));
  }

  @ParameterizedTest
  @CsvSource({
    "linreg-r2, A, 0.9812606955",
    "linreg-r2, B, 0.6706096048",
    "linreg-r2, C, 0.6911809432",
  })
  void valueTheOtherWayRound(String measure, Golden golden, double wanted) {
    assertThat(between(measure, golden.y, golden.x).value())
        .as(measure + " of " + golden)
        .isCloseTo(wanted, within(DIGITS));
  }

  /**
   * Three pairs of dissimilarities are equal, and each has one rank. NumPy's rounding tells some of
   * them apart, which makes 0.0607905544 of it.
   */
  @Test
  void dissimilaritiesThatDifferByRoundingTie() {
    assertThat(between("rsa:rdm=correlation", Golden.B.x, Golden.B.y).value())
        .isCloseTo(0.0458717741, within(DIGITS));
  }

  @ParameterizedTest
  @CsvSource({"A, 48.1066523466", "B, 22.2629306748", "C, 119.9829850744"})
  void nuclearNorm(Golden golden, double wanted) {
    double cosine = between("procrustes-angular", golden.x, golden.y).details().get("cosine");
    assertThat(cosine * norm(golden.x) * norm(golden.y)).isCloseTo(wanted, within(DIGITS));
  }

  /** Samples 0 to 2 of C, or sample 7 alone, moved by 100 along the first feature. */
  @ParameterizedTest
  @CsvSource({
    "cka-linear, 0, 3, 0.2804683919",
    "cka-linear-debiased, 0, 3, 0.1342334065",
    "'rsa:rdm=squared', 0, 3, 0.1218510588",
    "knn-jaccard:k=3, 0, 3, 0.275",
    "cca-mean, 0, 3, 0.8499095191",
    "cka-linear, 7, 8, 0.2831449419",
    "rsa, 7, 8, 0.7392495484",
    "knn-jaccard:k=3, 7, 8, 0.75",
  })
  void afterSomeSamplesMovedFarAway(String measure, int from, int to, double wanted) {
    double[][] moved = Oracle.map(Golden.C.x, v -> v);
    for (int i = from; i < to; i++) {
      moved[i][0] += 100;
    }
    assertThat(between(measure, Golden.C.x, moved).value()).isCloseTo(wanted, within(DIGITS));
    if (from == 0) {
      assertThat(between("procrustes-angular", Golden.C.x, moved).details().get("cosine"))
          .isCloseTo(0.4827727522, within(DIGITS));
    }
  }

  /** Parts of C: features 0 and 1 of X, feature 2 of X. */
  @Test
  void partsOfARepresentation() {
    double[][] x = Golden.C.x;
    double[][] first = Oracle.columns(x, new int[] {0, 1});
    double[][] last = Oracle.columns(x, new int[] {2});
    double[][][] rows = {x, first};
    double[][][] columns = {Golden.C.y, x, last};
    double[][] biased = new double[2][3];
    double[][] debiased = new double[2][3];
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < 3; j++) {
        biased[i][j] = between("cka-linear", rows[i], columns[j]).value();
        debiased[i][j] = between("cka-linear-debiased", rows[i], columns[j]).value();
      }
    }
    Close.absolute(
        "biased",
        biased,
        new double[][] {
          {0.6403567760, 1, 0.6912113007}, {0.6253195732, 0.8862768072, 0.2779036529}
        },
        DIGITS);
    Close.absolute(
        "debiased",
        debiased,
        new double[][] {
          {0.4850088392, 1, 0.6803215201}, {0.4451670305, 0.8838552918, 0.2584777016}
        },
        DIGITS);
  }

  @Test
  void principalAnglesAreThoseOfCanonicalCorrelations() {
    double[] angles =
        SubspaceOverlap.top(2).principalAngles(Matrix.of(Golden.A.x), Matrix.of(Golden.A.y), WS);
    Close.absolute("angles", angles, new double[] {0, Math.acos(0.874268649911)}, 1e-7);
  }

  /**
   * From activations and from moments, whichever there are; regularised as the map of CCA Merge.
   */
  @Test
  void canonicalCorrelations() {
    double[][] wanted = {
      {1, 0.874268649911}, {1, 1, 0.554970544091}, {0.91903582401, 0.695540501787}
    };
    for (Golden golden : Golden.values()) {
      double[] found;
      try (Matrix x = Matrix.of(golden.x);
          Matrix y = Matrix.of(golden.y)) {
        found = CanonicalCorrelation.correlations(x, y, WS);
      }
      Close.absolute("correlations of " + golden, found, wanted[golden.ordinal()], 1e-12);
      try (SpaceMoments moments = Activations.moments(Precision.F64, WS, golden.x, golden.y)) {
        Close.absolute(
            "from moments",
            CanonicalCorrelation.correlations(moments, 0, 1, 0, WS),
            wanted[golden.ordinal()],
            1e-11);
        if (moments.width(0) == moments.width(1)) {
          try (Matrix own = moments.covariance(0, 0, WS);
              Matrix other = moments.covariance(1, 1, WS);
              Matrix cross = moments.covariance(0, 1, WS);
              Cca cca =
                  Cca.map(
                      own,
                      other,
                      cross,
                      0.3 * own.trace(WS) / own.rows(),
                      0.3 * other.trace(WS) / own.rows(),
                      WS)) {
            Close.absolute(
                "regularised",
                CanonicalCorrelation.correlations(moments, 0, 1, 0.3, WS),
                cca.correlations(),
                1e-11);
          }
        }
      }
    }
  }

  private static double norm(double[][] x) {
    double[] mean = Oracle.mean(x);
    double sum = 0;
    for (double[] row : x) {
      for (int j = 0; j < mean.length; j++) {
        sum += (row[j] - mean[j]) * (row[j] - mean[j]);
      }
    }
    return Math.sqrt(sum);
  }

  static Similarity between(String measure, double[][] x, double[][] y) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      return Catalogue.measures().method(measure).between(left, right, WS);
    }
  }
}
