// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** What the formula promises for any data. */
class CcaPropertiesTest {

  @Cases(60)
  void alignedCovarianceIsTheReferencesWithoutGamma(Draw draw) {
    int n = draw.integer(1, 40);
    long seed = draw.seed();
    double[][] x = mixed(n, seed);
    double[][] y = mixed(n, seed + 10);
    Cca cca = cca(x, y, 0);
    double[][] t = array(cca.map());
    double[][] syy = Oracle.covariance(y, y);
    Close.relative(
        "T Syy T^T",
        Oracle.multiply(Oracle.multiply(t, syy), Oracle.transpose(t)),
        Oracle.covariance(x, x),
        1e-9);
  }

  @Cases(60)
  void correlationsLieBetweenZeroAndOneAndTheInverseIsOne(Draw draw) {
    int n = draw.integer(1, 40);
    double gamma = draw.real(0, 10);
    long seed = draw.seed();
    Cca cca = cca(mixed(n, seed), mixed(n, seed + 10), gamma);
    double previous = 1 + 1e-9;
    for (double correlation : cca.correlations()) {
      assertThat(correlation).isBetween(0.0, previous);
      previous = correlation;
    }
    Close.absolute(
        "T T^-1",
        Oracle.multiply(array(cca.map()), array(cca.inverse())),
        Oracle.identity(n),
        1e-9);
  }

  @Cases(60)
  void rotatedFeaturesAreRotatedBackForEveryGamma(Draw draw) {
    int n = draw.integer(1, 40);
    double gamma = draw.real(0, 100);
    long seed = draw.seed();
    double[][] x = mixed(n, seed);
    double[][] q = Oracle.orthogonal(n, seed + 1);
    double[][] y = Oracle.multiply(x, Oracle.transpose(q));
    Close.absolute("T", cca(x, y, gamma).map(), Oracle.transpose(q), 1e-9);
  }

  @Cases(60)
  void mixedFeaturesAreUnmixedWithoutGamma(Draw draw) {
    int n = draw.integer(1, 40);
    long seed = draw.seed();
    double[][] x = mixed(n, seed);
    double[][] m = Oracle.mixing(n, seed + 1);
    double[][] y = Oracle.multiply(x, Oracle.transpose(m));
    Cca cca = cca(x, y, 0);
    Close.relative("T", cca.map(), Oracle.inverse(m), 1e-8);
    Close.relative("T^-1", cca.inverse(), m, 1e-8);
  }

  @Cases(40)
  void correlationsDoNotSeeInvertibleMaps(Draw draw) {
    int n = draw.integer(1, 30);
    long seed = draw.seed();
    double[][] x = mixed(n, seed);
    double[][] y = Oracle.multiply(x, Oracle.mixing(n, seed + 1));
    double[][] noisy = Oracle.gaussian(y.length, n, seed + 2);
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < n; j++) {
        noisy[i][j] += y[i][j];
      }
    }
    double[][] m = Oracle.mixing(n, seed + 3);
    Close.absolute(
        "correlations",
        cca(x, Oracle.multiply(noisy, m), 0).correlations(),
        cca(x, noisy, 0).correlations(),
        1e-8);
  }

  private static Cca cca(double[][] x, double[][] y, double gamma) {
    return Cca.map(
        Matrix.of(Oracle.covariance(x, x)),
        Matrix.of(Oracle.covariance(y, y)),
        Matrix.of(Oracle.covariance(x, y)),
        gamma,
        gamma,
        WS);
  }

  /** Correlated features, many more samples than features. */
  private static double[][] mixed(int n, long seed) {
    return Oracle.multiply(Oracle.gaussian(6 * n + 20, n, seed), Oracle.mixing(n, seed + 5));
  }
}
