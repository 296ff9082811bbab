// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** Each step of PHATE on the points 0, 1, 2, 4, 7 of a line, computed with numpy. */
class PhateGoldenTest {
  private static final Workspace WS = Workspace.open();
  private static final double[] LINE = {0, 1, 2, 4, 7};
  private static final Offset<Double> DIGITS = within(6e-9);

  @AfterAll
  static void close() {
    WS.close();
  }

  private static Matrix distances() {
    double[][] d = new double[5][5];
    for (int i = 0; i < 5; i++) {
      for (int j = 0; j < 5; j++) {
        d[i][j] = Math.abs(LINE[i] - LINE[j]);
      }
    }
    return Matrix.of(d);
  }

  private static Matrix kernel() {
    try (Matrix d = distances()) {
      AlphaDecay affinities = AlphaDecay.of(d, 2, 2);
      assertThat(affinities.bandwidth()).containsExactly(2, 1, 2, 3, 5);
      return affinities.kernel(d, WS);
    }
  }

  @Test
  void affinities() {
    try (Matrix k = kernel()) {
      double[][] upper = {
        {1, 0.57334011, 0.36787944, 0.09366448, 0.07042921},
        {0, 1, 0.57334011, 0.18400143, 0.11846388},
        {0, 0, 1, 0.50452991, 0.18490495},
        {0, 0, 0, 1, 0.53277788},
        {0, 0, 0, 0, 1}
      };
      for (int i = 0; i < 5; i++) {
        for (int j = i; j < 5; j++) {
          assertThat(k.get(i, j)).isCloseTo(upper[i][j], DIGITS);
          assertThat(k.get(j, i)).isEqualTo(k.get(i, j));
        }
      }
    }
  }

  @Test
  void walk() {
    try (Matrix k = kernel();
        Diffusion walk = Diffusion.of(k, WS);
        Matrix p = walk.operator();
        Matrix third = walk.power(3, WS)) {
      near(walk.degrees(), 2.10531324, 2.44914553, 2.63065442, 2.3149737, 1.90657592);
      near(p.row(0), .4749887, .27233007, .17473858, .04448957, .03345308);
      near(walk.eigenvalues(), .10980251, .18404072, .30161312, .62444241, 1);
      near(walk.singularValues(WS), 1.00303917, .62551251, .30116964, .18372393, .10963216);
      near(third.row(0), .25540483, .26416006, .23715791, .14291801, .10035918);
      assertThat(walk.components()).isEqualTo(1);
      double[] singular = Diffusion.entropy(walk.singularValues(WS), 100);
      near(Arrays.copyOf(singular, 4), 1.34116222, .91430785, .62138688, .43648241);
      double[] entropy = Diffusion.entropy(walk.eigenvalues(), 100);
      near(Arrays.copyOf(entropy, 2), 1.34236604, .91652539);
      assertThat(Diffusion.knee(Arrays.copyOf(singular, 20))).isEqualTo(5);
      assertThat(Diffusion.knee(singular)).isEqualTo(7);
      assertThat(Diffusion.knee(Arrays.copyOf(entropy, 20))).isEqualTo(5);
      assertThat(Diffusion.knee(entropy)).isEqualTo(7);
    }
  }

  @Test
  void potentialsAndTheirDistances() {
    try (Matrix k = kernel();
        Diffusion walk = Diffusion.of(k, WS);
        Matrix logarithms = Potential.of(walk.power(3, WS), 1, WS);
        Matrix roots = Potential.of(walk.power(3, WS), 0, WS);
        Matrix plain = Potential.of(walk.power(3, WS), -1, WS);
        Matrix third = walk.power(3, WS);
        Matrix apart = Potential.distances(logarithms, Phate.Metric.EUCLIDEAN, WS)) {
      near(logarithms.row(0), 1.36490504, 1.33119969, 1.43902863, 1.94548345, 2.29899872);
      near(roots.row(0), 1.01075186, 1.02793008, .97397724, .75608997, .63359035);
      assertThat(plain.asTensor().sameBytes(third.asTensor())).isTrue();
      assertThat(apart.get(0, 1)).isCloseTo(.22240641, DIGITS);
      assertThat(apart.get(0, 4)).isCloseTo(1.56238946, DIGITS);
    }
  }

  /** As users come to them, where points are sorted and put back. */
  @ParameterizedTest
  @CsvSource({"EIGENVALUES, 20, 5", "EIGENVALUES, 100, 7", "SINGULAR_VALUES, 20, 5"})
  void theSameThroughOptions(Phate.Spectrum spectrum, int most, int knee) {
    Phate.Options options =
        Phate.Options.defaults().with("knn", 2).with("decay", 2.0).with("spectrum", spectrum);
    try (Matrix d = distances()) {
      Phate.Result found = new Phate(options.with("most", most)).fit(d, WS);
      assertThat(found.t()).isEqualTo(knee);
      assertThat(found.entropy()).hasSize(most);
      assertThat(found.bandwidth()).containsExactly(2, 1, 2, 3, 5);
      Phate.Result third = new Phate(options.with("t", 3)).fit(d, WS);
      near(third.potential()[0], 1.36490504, 1.33119969, 1.43902863, 1.94548345, 2.29899872);
      assertThat(Stress.distance(third.potential()[0], third.potential()[4]))
          .isCloseTo(1.56238946, DIGITS);
      Phate.Result roots = new Phate(options.with("t", 3).with("gamma", 0.0)).fit(d, WS);
      near(roots.potential()[0], 1.01075186, 1.02793008, .97397724, .75608997, .63359035);
    }
  }

  @Test
  void scaling() {
    try (Matrix k = kernel();
        Diffusion walk = Diffusion.of(k, WS);
        Matrix u = Potential.of(walk.power(3, WS), 1, WS);
        Matrix apart = Potential.distances(u, Phate.Metric.EUCLIDEAN, WS)) {
      double[][] wanted = apart.toArray();
      double[][] start = Mds.classical(wanted, 4, WS);
      double[] squares = new double[4];
      for (double[] point : start) {
        for (int axis = 0; axis < 4; axis++) {
          squares[axis] += point[axis] * point[axis];
        }
      }
      near(squares, 1.80165483, .01410142, .00042551, .00019892);
      double[] first = Arrays.stream(start).mapToDouble(point -> point[0]).toArray();
      near(first, -.72442143, -.51284372, -.1409426, .54033117, .83787658);
      double[][] flat = Mds.classical(wanted, 2, WS);
      assertThat(Stress.raw(flat, wanted)).isCloseTo(2.44684e-6, within(1e-11));
      double[][] once = Smacof.of(wanted, flat, 1, WS);
      assertThat(Stress.raw(once, wanted)).isCloseTo(1.72069e-6, within(1e-11));
      double[][] limit = flat;
      for (int i = 0; i < 3000; i++) {
        limit = Smacof.of(wanted, limit, 1, WS);
      }
      assertThat(Stress.raw(limit, wanted)).isCloseTo(6.98652e-7, within(1e-11));
    }
  }

  @Test
  void knees() {
    double[] falling = new double[20];
    Arrays.setAll(falling, x -> Math.exp(-x / 10.0));
    assertThat(Diffusion.knee(falling)).isEqualTo(8);
    // Of the 10 x 10 identity with 5 at (0, 0) and 4 at (3, 2): the block of rows and columns 2, 3.
    double[] spectrum = new double[10];
    Arrays.fill(spectrum, 1);
    spectrum[0] = 5;
    double half = Math.sqrt(1 + 4);
    spectrum[1] = half + 2;
    spectrum[2] = half - 2;
    double[] entropy = Diffusion.entropy(spectrum, 100);
    near(Arrays.copyOf(entropy, 3), 1.96257252, 1.26960363, .85415429);
    assertThat(Diffusion.knee(entropy)).isEqualTo(23);
  }

  private static void near(double[] found, double... wanted) {
    assertThat(found).hasSize(wanted.length);
    for (int i = 0; i < wanted.length; i++) {
      assertThat(found[i]).as("entry " + i).isCloseTo(wanted[i], DIGITS);
    }
  }
}
