// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Products of samples that are read some columns at a time, and what follows from them. */
class GramMatrixTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  /** Rows (1, 0, 2), (0, 1, 2), (3, 4, 0). */
  private static final double[][] GOLDEN = {{1, 0, 2}, {0, 1, 2}, {3, 4, 0}};

  @TempDir Path folder;

  @AfterAll
  static void close() {
    WS.close();
  }

  @Test
  void goldenProductsAndDistances() throws IOException {
    try (Matrix x = Matrix.of(GOLDEN);
        GramMatrix raw = GramMatrix.raw(SampleRows.of(x), WS);
        GramMatrix centred = GramMatrix.centred(SampleRows.of(x), DType.F64, WS);
        Matrix cosine = raw.cosine();
        Matrix angle = centred.cosine()) {
      close(raw.products(), new double[][] {{5, 4, 3}, {4, 5, 4}, {3, 4, 25}}, 1e-14);
      close(
          cosine,
          new double[][] {
            {0, 0.2, 0.731671843}, {0.2, 0, 0.642229124}, {0.731671843, 0.642229124, 0}
          },
          1e-9);
      close(
          centred.products(),
          new double[][] {
            {3.3333333333, 2, -5.3333333333},
            {2, 2.6666666667, -4.6666666667},
            {-5.3333333333, -4.6666666667, 10}
          },
          1e-10);
      close(
          angle,
          new double[][] {
            {0, 0.32917961, 1.92376043}, {0.32917961, 0, 1.90369611}, {1.92376043, 1.90369611, 0}
          },
          1e-8);
      double[][] scores = centred.components(3, WS);
      double[] squares = new double[3];
      for (double[] row : scores) {
        for (int k = 0; k < 3; k++) {
          squares[k] += row[k] * row[k];
        }
      }
      assertThat(squares[0]).isCloseTo(15.0237692, within(1e-7));
      assertThat(squares[1]).isCloseTo(0.976230831, within(1e-9));
      assertThat(squares[2]).isCloseTo(0, within(1e-12));
    }
  }

  /** Whatever is read at once, of memory and of a file, F32 to its rounding. */
  @Test
  void filesGiveWhatMemoryGives() throws IOException {
    SplittableRandom random = new SplittableRandom(1);
    double[][] x = new double[37][130_001];
    for (double[] row : x) {
      Arrays.setAll(row, j -> (float) (random.nextGaussian() + 3));
    }
    Path file = folder.resolve("x.npy");
    try (Matrix all = Matrix.of(x);
        Tensor narrow = all.asTensor().to(DType.F32, WS)) {
      Npy.write(narrow, file);
      try (Npy open = Npy.open(file);
          GramMatrix wanted = GramMatrix.centred(SampleRows.of(all), DType.F64, WS);
          GramMatrix found = GramMatrix.centred(SampleRows.of(open), DType.F32, WS);
          GramMatrix exact = GramMatrix.centred(SampleRows.of(open), DType.F64, WS);
          Matrix far = found.euclidean()) {
        double scale = wanted.products().get(0, 0);
        for (int i = 0; i < 37; i++) {
          for (int j = 0; j < 37; j++) {
            double value = wanted.products().get(i, j);
            assertThat(exact.products().get(i, j)).isCloseTo(value, within(1e-13 * scale));
            assertThat(found.products().get(i, j)).isCloseTo(value, within(1e-5 * scale));
          }
        }
        assertThat(far.get(3, 4)).isCloseTo(distance(x[3], x[4]), within(1e-3));
      }
    }
  }

  /** Two samples that differ by 1e-6 far away from 0 keep their distance. */
  @Test
  void differencesKeepTheirDigitsFarFromZero() throws IOException {
    double[][] x = new double[3][64];
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 64; j++) {
        x[i][j] = 1e6 + (i == 1 ? 1e-6 * j : i == 2 ? j : 0);
      }
    }
    try (Matrix all = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(all), DType.F64, WS);
        Matrix far = gram.euclidean()) {
      double wanted = distance(x[0], x[1]);
      assertThat(far.get(0, 1)).isCloseTo(wanted, within(0.01 * wanted));
    }
  }

  /** What is stored are differences from an origin; the angles wanted are those of the sums. */
  @Test
  void anOriginIsAddedToEachSample() throws IOException {
    double[] origin = {3, -1, 0.5};
    double[][] sums = Arrays.stream(GOLDEN).map(double[]::clone).toArray(double[][]::new);
    for (double[] row : sums) {
      Arrays.setAll(row, k -> row[k] + origin[k]);
    }
    try (Matrix d = Matrix.of(GOLDEN);
        Matrix x = Matrix.of(sums);
        GramMatrix differences = GramMatrix.raw(SampleRows.of(d), WS);
        GramMatrix found = GramMatrix.raw(SampleRows.of(d), origin, WS);
        GramMatrix wanted = GramMatrix.raw(SampleRows.of(x), WS);
        Matrix angles = found.cosine();
        Matrix wantedAngles = wanted.cosine()) {
      double q = 3 * 3 + 1 + 0.25;
      for (int i = 0; i < 3; i++) {
        double a = GOLDEN[i][0] * 3 - GOLDEN[i][1] + GOLDEN[i][2] * 0.5;
        for (int j = 0; j < 3; j++) {
          double b = GOLDEN[j][0] * 3 - GOLDEN[j][1] + GOLDEN[j][2] * 0.5;
          assertThat(found.products().get(i, j))
              .isCloseTo(differences.products().get(i, j) + a + b + q, within(1e-13));
        }
      }
      close(found.products(), wanted.products().toArray(), 1e-13);
      close(angles, wantedAngles.toArray(), 1e-15);
      assertThatThrownBy(() -> GramMatrix.raw(SampleRows.of(d), new double[2], WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("an origin of 2 elements of samples of 3");
      assertThatThrownBy(
              () -> GramMatrix.raw(SampleRows.of(d), new double[] {0, Double.NaN, 0}, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessage("element 1 of the origin is NaN");
    }
  }

  /** Whatever fails, in the thread that reads or in the one that computes. */
  @Test
  void whatFailsInAReadIsThrown() {
    SampleRows broken =
        new SampleRows() {
          @Override
          public long samples() {
            return 3;
          }

          @Override
          public long width() {
            return 4_000_000;
          }

          @Override
          public DType dtype() {
            return DType.F64;
          }

          @Override
          public void read(long sample, long from, long to, Tensor into, Workspace ws)
              throws IOException {
            if (from > 0) {
              throw new IOException("the disk is gone");
            }
            into.memory().clear();
            into.set(0, sample);
          }
        };
    assertThatThrownBy(() -> GramMatrix.centred(broken, DType.F64, WS))
        .isInstanceOf(IOException.class)
        .hasMessage("the disk is gone");
  }

  @Test
  void badSamplesAreNamed() throws IOException {
    try (Matrix x = Matrix.of(new double[][] {{1, 2, 3}, {4, Double.NaN, 6}, {7, 8, 9}})) {
      assertThatThrownBy(() -> GramMatrix.centred(SampleRows.of(x), DType.F64, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("sample 1: element 1 is NaN");
      assertThatThrownBy(() -> GramMatrix.raw(SampleRows.of(x), WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("sample 1: element 1 is NaN");
    }
    try (Matrix far = Matrix.of(new double[][] {{1e200, 2}, {4, 5}, {7, 8}})) {
      assertThatThrownBy(() -> GramMatrix.centred(SampleRows.of(far), DType.F64, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("squares of sample 0 are beyond the range");
    }
    try (Matrix one = Matrix.of(new double[][] {{1, 2}})) {
      assertThatThrownBy(() -> GramMatrix.raw(SampleRows.of(one), WS))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("2 samples of 1 element or more, not 1 of 2");
    }
    try (Matrix even = Matrix.of(new double[][] {{1, 0}, {0, 1}, {0.5, 0.5}});
        GramMatrix gram = GramMatrix.centred(SampleRows.of(even), DType.F64, WS)) {
      assertThatThrownBy(gram::cosine)
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("sample 2 is the mean of all");
    }
    Path file = folder.resolve("v.npy");
    try (Tensor vector = Tensor.of(new double[] {1, 2, 3}, 3)) {
      Npy.write(vector, file);
    }
    try (Npy open = Npy.open(file)) {
      assertThatThrownBy(() -> SampleRows.of(open))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("samples are [N x P], F32 or F64, not F64 [3]");
    }
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      sum += (a[k] - b[k]) * (a[k] - b[k]);
    }
    return Math.sqrt(sum);
  }

  private static void close(Matrix found, double[][] wanted, double tolerance) {
    for (int i = 0; i < wanted.length; i++) {
      for (int j = 0; j < wanted.length; j++) {
        assertThat(found.get(i, j)).as(i + ", " + j).isCloseTo(wanted[i][j], within(tolerance));
      }
    }
  }

  /** Of which rounding leaves a square of some 1e-30 and angles of nothing. */
  @Test
  void aSampleThatIsTheMeanUpToRoundingHasNoAngle() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    double[][] x = new double[3][480];
    for (int k = 0; k < 480; k++) {
      x[0][k] = random.nextGaussian();
      x[1][k] = random.nextGaussian();
      x[2][k] = (x[0][k] + x[1][k]) / 2;
    }
    try (Matrix all = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(all), DType.F64, WS)) {
      assertThat(gram.products().get(2, 2)).isPositive();
      assertThatThrownBy(gram::cosine)
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("sample 2 is the mean of all (its square is ");
    }
  }

  @Test
  void samplesThatAreEqualLieAtAnAngleOfZero() throws IOException {
    SplittableRandom random = new SplittableRandom(4);
    double[][] x = new double[60][37];
    for (int i = 0; i < 60; i++) {
      Arrays.setAll(x[i], k -> random.nextGaussian());
      x[i] = i % 2 == 1 ? x[i - 1].clone() : x[i];
    }
    try (Matrix all = Matrix.of(x);
        GramMatrix gram = GramMatrix.centred(SampleRows.of(all), DType.F64, WS);
        Matrix cosine = gram.cosine();
        Matrix potential = Potential.distances(all, Phate.Metric.COSINE, WS)) {
      for (int i = 1; i < 60; i += 2) {
        assertThat(cosine.get(i, i - 1)).isZero();
        assertThat(potential.get(i, i - 1)).isZero();
        assertThat(cosine.get(i, (i + 1) % 60)).isPositive();
      }
    }
  }
}
