// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Polar.Completion;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Worked values of the CCA map and of orthogonal Procrustes, computed once with NumPy. */
class CcaGoldenTest {
  private static final double[][] PLANTED_X = {{2, 1}, {1, 2}};
  private static final double[][] PLANTED_Y = {{14, 5}, {5, 2}};
  private static final double[][] PLANTED_XY = {{4, 1}, {5, 2}};

  @Test
  void plantedMapWithoutGammaIsFoundExactly() {
    Cca cca = planted(0);
    Close.absolute("T", cca.map(), new double[][] {{1, -2}, {0, 1}}, 1e-12);
    Close.absolute("T^-1", cca.inverse(), new double[][] {{1, 2}, {0, 1}}, 1e-12);
    Close.absolute("correlations", cca.correlations(), new double[] {1, 1}, 1e-12);
    assertThat(cca.rank()).isEqualTo(2);
    assertThat(cca.completion()).isEqualTo(Completion.NONE);
    assertThat(cca.clipped()).isZero();
  }

  @Test
  void gammaMovesThePlantedMapByTheWorkedAmount() {
    Cca tenth = planted(0.1);
    Close.absolute(
        "T",
        tenth.map(),
        new double[][] {{0.881665516, -1.666291758}, {0.047512289, 0.885694908}},
        1e-9);
    Close.absolute("corr", tenth.correlations(), new double[] {0.979255189, 0.772676531}, 1e-9);
    Cca one = planted(1);
    Close.absolute(
        "T",
        one.map(),
        new double[][] {{0.666778520, -1.001688077}, {0.152936399, 0.718770851}},
        1e-9);
    Close.absolute("corr", one.correlations(), new double[] {0.833031372, 0.284708154}, 1e-9);
  }

  @Test
  void largeGammaTendsToProcrustes() {
    double[][] procrustes = {{0.832050294, -0.554700196}, {0.554700196, 0.832050294}};
    Polar polar = Polar.of(Matrix.of(PLANTED_XY), WS);
    Close.absolute("polar", polar.factor(), procrustes, 1e-9);
    // Computed with 50 digits; the distance to the limit is 4.8e-7, of the order of |S| / gamma.
    double[][] near = {
      {0.83204994871741107, -0.55470038183627666}, {0.55469971619681691, 0.83205011512723441}
    };
    Close.absolute("T", planted(1e7).map(), near, 1e-14);
    Close.absolute("T", planted(1e7).map(), procrustes, 5e-7);
  }

  @Test
  void generalProblem() {
    double[][] sxx = {{4, 0}, {0, 1}};
    double[][] syy = {{2, .5}, {.5, 1}};
    double[][] sxy = {{1, .5}, {.2, .6}};
    Cca zero = map(sxx, syy, sxy, 0);
    Close.absolute(
        "T",
        zero.map(),
        new double[][] {{1.418587940, -0.017691158}, {-0.261401292, 1.069008372}},
        1e-9);
    Close.absolute(
        "T^-1",
        zero.inverse(),
        new double[][] {{0.707082575, 0.011701601}, {0.172900703, 0.938307725}},
        1e-9);
    Close.absolute("corr", zero.correlations(), new double[] {0.651478099, 0.290082256}, 1e-9);
    Close.absolute(
        "T",
        map(sxx, syy, sxy, 0.1).map(),
        new double[][] {{1.397830449, -0.002331401}, {-0.251303658, 1.058941814}},
        1e-9);
  }

  @Test
  void anticorrelatedFeaturesOfUnequalSizes() {
    double[][] sxx = {{4, 0}, {0, 1}};
    Cca cca = map(sxx, new double[][] {{1, 0}, {0, 9}}, new double[][] {{0, 3}, {.5, 0}}, 0);
    Close.absolute("T", cca.map(), new double[][] {{0, 2.0 / 3}, {1, 0}}, 1e-14);
    Close.absolute("T^-1", cca.inverse(), new double[][] {{0, 1}, {1.5, 0}}, 1e-14);
    Close.absolute("corr", cca.correlations(), new double[] {.5, .5}, 1e-14);
  }

  @Test
  void polarOfAWeightedRotation() {
    Polar polar = Polar.of(Matrix.of(new double[][] {{0, 2}, {-3, 0}}), WS);
    Close.absolute("Q", polar.factor(), new double[][] {{0, 1}, {-1, 0}}, 1e-15);
    Close.absolute("singular values", polar.singularValues(), new double[] {3, 2}, 1e-15);
  }

  @Test
  void theMapAloneAndSweepsOverGamma() {
    double[][] x = Oracle.gaussian(900, 256, 1);
    double[][] y = Oracle.multiply(x, Oracle.mixing(256, 2));
    Matrix sxx = Matrix.of(Oracle.covariance(x, x));
    Matrix syy = Matrix.of(Oracle.covariance(y, y));
    Matrix sxy = Matrix.of(Oracle.covariance(x, y));
    double[] gammaX = {0.1, 1, 10};
    double[] gammaY = {0.2, 2, 20};
    List<Cca> all = Cca.sweep(sxx, syy, sxy, gammaX, gammaY, true, WS);
    List<Cca> maps = Cca.sweep(sxx, syy, sxy, gammaX, gammaY, false, WS);
    for (int k = 0; k < gammaX.length; k++) {
      Cca one = Cca.map(sxx, syy, sxy, gammaX[k], gammaY[k], WS);
      Cca only = Cca.mapOnly(sxx, syy, sxy, gammaX[k], gammaY[k], DType.F64, WS);
      Close.absolute("T", all.get(k).map(), array(one.map()), 0);
      Close.absolute("T^-1", all.get(k).inverse(), array(one.inverse()), 0);
      Close.absolute("correlations", all.get(k).correlations(), one.correlations(), 0);
      Close.absolute("T alone", maps.get(k).map(), array(only.map()), 0);
      Close.relative("T alone", only.map(), array(one.map()), 1e-8);
      Close.relative("T^-1 alone", only.inverse(), array(one.inverse()), 1e-8);
      assertThat(only.correlations()).isEmpty();
      double sum = Arrays.stream(one.correlations()).sum();
      assertThat(one.sum()).isCloseTo(sum, within(1e-9));
      assertThat(only.sum()).isCloseTo(sum, within(1e-8));
      Cca narrow = Cca.mapOnly(sxx, syy, sxy, gammaX[k], gammaY[k], DType.F32, WS);
      Close.relative("T in F32", narrow.map(), array(one.map()), 1e-3);
      assertThat(LinAlg.distanceToIdentity(LinAlg.multiply(narrow.map(), narrow.inverse(), WS), WS))
          .isLessThan(1e-6);
    }
    assertThatThrownBy(() -> Cca.sweep(sxx, syy, sxy, gammaX, new double[1], true, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 gammas of x and 1 of y; give as many, at least 1");
    assertThatThrownBy(() -> Cca.sweep(sxx, syy, sxy, gammaX, new double[] {1, -1, 1}, true, WS))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void gammaMustBeFiniteAndNotNegative() {
    assertThatThrownBy(() -> planted(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("gamma must be finite and at least 0, not -1.0 and -1.0");
    assertThatThrownBy(() -> planted(Double.NaN)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> planted(Double.POSITIVE_INFINITY))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void nonFiniteCovarianceIsRefusedWithItsPlace() {
    double[][] broken = {{2, 1}, {1, Double.NaN}};
    assertThatThrownBy(() -> map(PLANTED_X, broken, PLANTED_XY, 1))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("[1, 1]");
  }

  private static Cca planted(double gamma) {
    return map(PLANTED_X, PLANTED_Y, PLANTED_XY, gamma);
  }

  private static Cca map(double[][] sxx, double[][] syy, double[][] sxy, double gamma) {
    return Cca.map(Matrix.of(sxx), Matrix.of(syy), Matrix.of(sxy), gamma, gamma, WS);
  }
}
