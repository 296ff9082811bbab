// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.landscape.Hessian.Density;
import org.merganser.analysis.landscape.Hessian.Options;
import org.merganser.analysis.landscape.Hessian.Top;
import org.merganser.analysis.landscape.Hessian.Trace;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;

class HessianTest {
  private static Curvature of(int n, UnaryOperator<double[]> map) {
    return new Curvature() {
      @Override
      public int size() {
        return n;
      }

      @Override
      public double[] times(double[] v) {
        return map.apply(v);
      }
    };
  }

  private static Curvature diagonal(double... values) {
    return of(
        values.length,
        v -> {
          double[] product = new double[v.length];
          for (int i = 0; i < v.length; i++) {
            product[i] = values[i] * v[i];
          }
          return product;
        });
  }

  private static double[][] symmetric(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] a = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        a[i][j] = random.nextGaussian();
        a[j][i] = a[i][j];
      }
    }
    return a;
  }

  private static Curvature matrix(double[][] a) {
    return of(
        a.length,
        v -> {
          double[] product = new double[v.length];
          for (int i = 0; i < v.length; i++) {
            product[i] = Vectors.dot(a[i], v);
          }
          return product;
        });
  }

  @Test
  void aSaddleOfThree() throws IOException {
    Curvature saddle = diagonal(3, 1, -2);
    try (Workspace ws = Minima.workspace(1)) {
      Top top = Hessian.top(saddle, 3, Options.defaults(), ws);
      assertThat(top.values()).containsExactly(new double[] {3, 1, -2}, within(1e-12));
      assertThat(Math.abs(top.vectors()[0][0])).isCloseTo(1, within(1e-12));
      assertThat(top.smallest()).isCloseTo(-2, within(1e-12));
      assertThat(Hessian.top(saddle, 1, Options.defaults(), ws).values()[0])
          .isCloseTo(3, within(1e-12));
      // Exact for every probe, so it ends as soon as it may.
      Trace trace = Hessian.trace(saddle, Options.defaults(), ws);
      assertThat(trace).isEqualTo(new Trace(2, 0, 10));
      assertThat(Hessian.trace(saddle, new Options(1, 1, 1), ws).value()).isEqualTo(2);
      Density density = Hessian.density(saddle, 400, Options.defaults(), ws);
      assertThat(density.nodes().get(7)).containsExactly(new double[] {-2, 1, 3}, within(1e-12));
      assertThat(3 * density.moment(1)).isCloseTo(2, within(0.5));
    }
  }

  /** Of equal ones it finds one, and it ends where the residuals are small. */
  @Test
  void theProcessEndsWhereThereIsNoMore() throws IOException {
    try (Workspace ws = Minima.workspace(1)) {
      assertThat(Hessian.top(diagonal(5, 5, 1, 5), 3, Options.defaults(), ws).values())
          .containsExactly(new double[] {5, 1}, within(1e-12));
      double[] values = new double[500];
      SplittableRandom random = new SplittableRandom(1);
      Arrays.setAll(values, i -> random.nextDouble());
      values[7] = 20;
      Top top = Hessian.top(diagonal(values), 1, Options.defaults(), ws);
      assertThat(top.products()).isLessThan(50);
      assertThat(top.residuals()[0]).isPositive().isLessThan(1e-3 * 20);
      // Those in the middle of many that lie close are not found in 100 products, nor is the trace.
      values[7] = 0.5;
      Top all = Hessian.top(diagonal(values), 60, Options.defaults(), ws);
      assertThat(all.products()).isEqualTo(100);
      assertThat(Arrays.stream(all.residuals()).max().orElseThrow()).isGreaterThan(1e-3);
      assertThat(Hessian.trace(matrix(symmetric(30, 2)), Options.defaults(), ws).probes())
          .isEqualTo(100);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void theLargestAreThoseOfTheMatrix(long seed) throws IOException {
    int n = 60;
    double[][] a = symmetric(n, seed);
    try (Workspace ws = Minima.workspace(1);
        Matrix dense = Matrix.of(a);
        SymmetricEigen all = LinAlg.symmetricEigen(dense, ws)) {
      Options exact = new Options(60, 100, 1e-10);
      Top top = Hessian.top(matrix(a), 4, exact, ws);
      for (int i = 0; i < 4; i++) {
        assertThat(top.values()[i]).isCloseTo(all.values()[n - 1 - i], within(1e-7));
        double[] product = matrix(a).times(top.vectors()[i]);
        double[] left = Vectors.moved(product, -top.values()[i], top.vectors()[i], 0, product);
        assertThat(Vectors.length(left)).isLessThan(1e-7);
      }
      // Residuals say how good a process that ends early is.
      Top early = Hessian.top(matrix(a), 2, new Options(15, 1, 1e-12), ws);
      assertThat(early.products()).isEqualTo(15);
      double[] product = matrix(a).times(early.vectors()[1]);
      double[] left = Vectors.moved(product, -early.values()[1], early.vectors()[1], 0, product);
      assertThat(early.residuals()[1]).isCloseTo(Vectors.length(left), within(1e-9));
      assertThat(early.residuals()[1]).isGreaterThan(1e-6);
      Trace trace = Hessian.trace(matrix(a), new Options(1, 4000, 1e-12), ws);
      assertThat(trace.probes()).isEqualTo(4000);
      assertThat(trace.value()).isCloseTo(dense.trace(), within(5 * trace.standardError()));
    }
  }

  @Test
  void theDensityIsThatOfTheEigenvalues() throws IOException {
    int n = 60;
    double[][] a = symmetric(n, 9);
    try (Workspace ws = Minima.workspace(1);
        Matrix dense = Matrix.of(a);
        SymmetricEigen all = LinAlg.symmetricEigen(dense, ws)) {
      Density density = Hessian.density(matrix(a), 200, new Options(30, 1, 1), ws);
      for (double[] weights : density.weights()) {
        double sum = 0;
        for (double weight : weights) {
          sum += weight;
        }
        assertThat(sum).isCloseTo(1, within(1e-12));
      }
      double integral = 0;
      double sigma = 2;
      for (double x = -40; x <= 40; x += 0.1) {
        integral += 0.1 * density.at(x, sigma);
        double expected = 0;
        for (double value : all.values()) {
          double z = (x - value) / sigma;
          expected += Math.exp(-z * z / 2) / (n * sigma * Math.sqrt(2 * Math.PI));
        }
        assertThat(density.at(x, sigma)).isCloseTo(expected, within(0.01));
      }
      assertThat(integral).isCloseTo(1, within(1e-6));
      assertThat(density.range()[1]).isCloseTo(all.values()[n - 1], within(0.5));
      assertThatThrownBy(() -> density.at(0, 0)).hasMessageContaining("sigma > 0");
    }
  }

  @Test
  void aSeedGivesTheSameBits() throws IOException {
    double[][] a = symmetric(20, 4);
    try (Workspace one = Minima.workspace(1);
        Workspace many = Minima.workspace(3)) {
      Trace trace = Hessian.trace(matrix(a), Options.defaults(), one);
      assertThat(Hessian.trace(matrix(a), Options.defaults(), many)).isEqualTo(trace);
      assertThat(Hessian.top(matrix(a), 3, Options.defaults(), many).values())
          .isEqualTo(Hessian.top(matrix(a), 3, Options.defaults(), one).values());
    }
  }

  @Test
  void badInputIsRefused() {
    try (Workspace ws = Minima.workspace(1)) {
      assertThatThrownBy(() -> Hessian.top(diagonal(1, 2), 3, Options.defaults(), ws))
          .hasMessageContaining("ask for 1 to 2");
      assertThatThrownBy(() -> new Options(0, 1, 1)).hasMessageContaining("positive, not 0");
      assertThatThrownBy(() -> Hessian.trace(diagonal(1, Double.NaN), Options.defaults(), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("NaN at parameter 1");
      assertThatThrownBy(() -> Hessian.top(diagonal(1, Double.NaN), 1, Options.defaults(), ws))
          .isInstanceOf(NumericalException.class);
    }
  }
}
