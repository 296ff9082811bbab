// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Every step of the alignment is the exact optimum of its block. */
class ClosedFormsTest {
  private static final int GRID = 4000;

  @Test
  void theExampleOfThePairedScale() {
    assertThat(PairedScale.best(4, 2, 1, 2, false)).isCloseTo(0.5, within(1e-15));
  }

  @Cases(200)
  void noScaleIsBetter(Draw draw) {
    SplittableRandom random = new SplittableRandom(draw.seed());
    double x = positive(random);
    double y = positive(random);
    double xt = x * 3 * (random.nextDouble() - 0.5);
    double yt = y * 3 * (random.nextDouble() - 0.5);
    double s = PairedScale.best(x, xt, y, yt, true);
    double reached = PairedScale.loss(s, x, xt, y, yt);
    for (int k = 0; k <= GRID; k++) {
      double each = Math.pow(10, -3 + 6.0 * k / GRID);
      for (double signed : new double[] {each, -each}) {
        assertThat(reached)
            .isLessThanOrEqualTo(
                PairedScale.loss(signed, x, xt, y, yt) + 1e-12 * (x * s * s + y / (s * s)));
      }
    }
  }

  @Test
  void nothingIsNotScaledAndFactorsAreBounded() {
    assertThat(PairedScale.best(0, 0, 1, 2, true)).isEqualTo(1);
    assertThat(PairedScale.best(1, 2, 0, 0, true)).isEqualTo(1);
    assertThat(PairedScale.best(1e-12, 0, 1e12, 0, true)).isEqualTo(1e3);
    assertThat(PairedScale.best(1e12, 0, 1e-12, 0, true)).isEqualTo(1e-3);
  }

  @Cases(200)
  void noRatioAndPhaseAreBetter(Draw draw) {
    SplittableRandom random = new SplittableRandom(draw.seed());
    double keys = positive(random);
    double queries = positive(random);
    double[] c = new double[4];
    for (int i = 0; i < 4; i++) {
      c[i] = (i < 2 ? keys : queries) * 3 * (random.nextDouble() - 0.5);
    }
    double r = RotaryScale.best(keys, queries, c[0], c[1], c[2], c[3]);
    double reached = rotaryLoss(r, keys, queries, c);
    for (int k = 0; k <= GRID; k++) {
      double each = Math.pow(10, -3 + 6.0 * k / GRID);
      assertThat(reached)
          .isLessThanOrEqualTo(
              rotaryLoss(each, keys, queries, c) + 1e-11 * (keys * r * r + queries / (r * r)));
    }
  }

  /** The case in which the polynomial has double roots: keys and queries of one size, moved. */
  @ParameterizedTest
  @ValueSource(doubles = {1, 0.5, 3, 40})
  void aPlantedRatioIsFoundToRounding(double planted) {
    double keys = 7 / (planted * planted);
    double queries = 7 * planted * planted;
    double phase = 0.7;
    double k = planted * keys;
    double q = queries / planted;
    double r =
        RotaryScale.best(
            keys,
            queries,
            k * Math.cos(phase),
            k * Math.sin(phase),
            q * Math.cos(phase),
            q * Math.sin(phase));
    assertThat(r).isCloseTo(planted, within(1e-13 * planted));
  }

  private static double rotaryLoss(double r, double keys, double queries, double[] c) {
    return r * r * keys
        + queries / (r * r)
        - 2 * Math.hypot(r * c[0] + c[2] / r, r * c[1] + c[3] / r);
  }

  private static double positive(SplittableRandom random) {
    return Math.exp(4 * random.nextDouble() - 2);
  }

  @Cases(20)
  void phasesTurnThePairsOntoTheTarget(Draw draw) {
    int size = 6;
    double[][] source = Oracle.gaussian(size, 9, draw.seed());
    double[] planted = new SplittableRandom(draw.seed()).doubles(3, -3, 3).toArray();
    double[][] target = turned(source, planted);
    PairSums sums = PairSums.of(Oracle.flat(products(target, source)), size);
    for (int i = 0; i < planted.length; i++) {
      assertThat(sums.phase(i)).isCloseTo(planted[i], within(1e-12));
    }
    double[] squares = {1, 1, 1};
    RotaryFit fit = new RotaryFit(RotaryFit.Freedom.PHASE, squares, squares);
    fit.fit(sums, null);
    double reached = inner(target, turned(source, fit.found().phase()));
    assertThat(fit.value()).isCloseTo(reached, within(1e-12 * reached));
  }

  @Test
  void zeroPairsStay() {
    assertThat(new PairSums(1).phase(0)).isZero();
  }

  /** z' = exp(i phi) z, as in the reference: x0' = cos x0 - sin x1. */
  static double[][] turned(double[][] rows, double[] phase) {
    double[][] result = new double[rows.length][rows[0].length];
    int half = rows.length / 2;
    for (int i = 0; i < half; i++) {
      for (int j = 0; j < rows[0].length; j++) {
        double cos = Math.cos(phase[i]);
        double sin = Math.sin(phase[i]);
        result[i][j] = cos * rows[i][j] - sin * rows[i + half][j];
        result[i + half][j] = sin * rows[i][j] + cos * rows[i + half][j];
      }
    }
    return result;
  }

  @Cases(20)
  void rotationAndScaleInTurnReachThePlantedOnes(Draw draw) {
    int size = 4;
    double[][] x = Oracle.gaussian(size, 9, draw.seed());
    double[][] y = Oracle.gaussian(size, 9, draw.seed() + 1000);
    double[][] a = Oracle.orthogonal(size, draw.seed());
    double s = 1.7;
    double[][] xt = Oracle.scale(Oracle.multiply(a, x), s);
    double[][] yt = Oracle.scale(Oracle.multiply(a, y), 1 / s);
    RotationFit fit =
        new RotationFit(size, RotationFit.Freedom.ROTATION_AND_SCALE, inner(x, x), inner(y, y));
    try (Workspace ws = Workspace.open()) {
      fit.fit(Oracle.flat(products(xt, x)), Oracle.flat(products(yt, y)), ws);
    }
    assertThat(fit.ofX()).containsExactly(Oracle.flat(Oracle.scale(a, s)), within(1e-7));
    double norms = inner(x, x) + inner(y, y);
    double reached = inner(xt, xt) + inner(yt, yt);
    assertThat(fit.value()).isCloseTo(reached - (reached - norms) / 2, within(1e-9 * reached));
  }

  /** Of all orders of four units with all signs. */
  @Cases(30)
  void noOrderOfUnitsIsBetter(Draw draw) {
    int m = 4;
    boolean gated = draw.seed() % 2 == 0;
    Matrix[] gate = pair(m, draw.seed());
    Matrix[] up = pair(m, draw.seed() + 100);
    Matrix[] down = pair(m, draw.seed() + 200);
    try (Workspace ws = Workspace.open()) {
      int[] found = MlpMatching.match(gated ? gate : null, up, down, gated, null, ws).units();
      double best = Double.NEGATIVE_INFINITY;
      for (int[] order : orders(m)) {
        best = Math.max(best, gain(order, gated, gate, up, down));
      }
      assertThat(gain(found, gated, gate, up, down)).isCloseTo(best, within(1e-12));
    }
  }

  private static double gain(
      int[] order, boolean gated, Matrix[] gate, Matrix[] up, Matrix[] down) {
    double sum = 0;
    for (int i = 0; i < order.length; i++) {
      double y =
          Rows.dot(up[0].row(i), up[1].row(order[i]))
              + Rows.dot(down[0].row(i), down[1].row(order[i]));
      sum += gated ? Rows.dot(gate[0].row(i), gate[1].row(order[i])) + Math.abs(y) : y;
    }
    return sum;
  }

  private static Matrix[] pair(int m, long seed) {
    return new Matrix[] {
      Matrix.of(Oracle.gaussian(m, 5, seed)), Matrix.of(Oracle.gaussian(m, 5, seed + 7))
    };
  }

  /** Duplicate and dead units: the identity, whatever the type. */
  @ParameterizedTest
  @ValueSource(strings = {"F64", "F32"})
  void equalUnitsStay(String type) {
    double[][] rows = Oracle.gaussian(40, 6, 3);
    for (int i = 20; i < 40; i++) {
      rows[i] = i < 30 ? rows[i - 20].clone() : new double[6];
    }
    try (Workspace ws = Workspace.open();
        Matrix wide = Matrix.of(rows);
        Matrix typed = Matrix.of(wide.asTensor().to(DType.valueOf(type), ws).toHost(ws))) {
      Matrix[] same = {typed, typed};
      MlpMatching.Found found = MlpMatching.match(same, same, same, true, null, ws);
      assertThat(found.units()).containsExactly(IntStream.range(0, 40).toArray());
      assertThat(found.ties()).isEqualTo(30);
      assertThat(MlpMatching.match(same, same, same, true, found.duals(), ws).units())
          .containsExactly(found.units());
    }
  }

  @Cases(10)
  void noSignedOrderOfChannelsIsBetter(Draw draw) {
    int d = 5;
    boolean signed = draw.seed() % 2 == 0;
    double[][] n = Oracle.gaussian(d, d, draw.seed());
    double[][] gains = Oracle.map(Oracle.gaussian(d, d, draw.seed() + 9), Math::abs);
    try (Workspace ws = Workspace.open()) {
      var found = ResidualMatching.permutation(Matrix.of(n), Matrix.of(gains), signed, ws);
      double best = Double.NEGATIVE_INFINITY;
      for (int[] order : orders(d)) {
        double gain = 0;
        double magnitudes = 0;
        double sum = 0;
        for (int i = 0; i < d; i++) {
          gain += gains[i][order[i]];
          magnitudes += Math.abs(n[i][order[i]]);
          sum += n[i][order[i]];
        }
        best = Math.max(best, gain + (signed ? magnitudes : Math.abs(sum)));
      }
      double reached = 0;
      for (int i = 0; i < d; i++) {
        int j = found.features()[i];
        reached += gains[i][j] + found.signs()[i] * n[i][j];
      }
      assertThat(reached).isCloseTo(best, within(1e-12));
      assertThat(found.value()).isCloseTo(best, within(1e-12));
      assertThat(signed || Arrays.stream(found.signs()).distinct().count() == 1).isTrue();
    }
  }

  @Cases(5)
  void aRotationOfTheStreamIsFound(Draw draw) {
    double[][] source = Oracle.gaussian(50, 7, draw.seed());
    double[][] r = Oracle.orthogonal(7, draw.seed());
    double[][] target = Oracle.multiply(source, Oracle.transpose(r));
    try (Workspace ws = Workspace.open();
        Matrix n = Matrix.zeros(7, 7)) {
      Rows.of(Matrix.of(target)).addCross(Rows.of(Matrix.of(source)), n, ws);
      Matrix found = ResidualMatching.orthogonal(n, false, ws);
      assertThat(Oracle.flat(found.toArray())).containsExactly(Oracle.flat(r), within(1e-12));
    }
  }

  /** Rows with and without a bias, in both types, again after what was made for them is freed. */
  @ParameterizedTest
  @ValueSource(strings = {"F64", "F32"})
  void rowsTurnAndBiasesStay(String type) {
    double[][] r = Oracle.orthogonal(6, 1);
    boolean exact = type.equals("F64");
    try (Workspace ws = Workspace.open()) {
      Stream stream = new Stream(6, new SymmetryElement.Orthogonal(Matrix.of(r)));
      for (int round = 0; round < 2; round++) {
        for (int width : new int[] {6, 7, 6}) {
          double[][] rows = Oracle.gaussian(5, width, width);
          double[][] expected = new double[5][];
          for (int i = 0; i < 5; i++) {
            double[][] row = {Arrays.copyOf(rows[i], 6)};
            expected[i] = Arrays.copyOf(Oracle.multiply(row, Oracle.transpose(r))[0], width);
            System.arraycopy(rows[i], 6, expected[i], 6, width - 6);
          }
          try (Matrix wide = Matrix.of(rows);
              Matrix typed = Matrix.of(wide.asTensor().to(DType.valueOf(type), ws).toHost(ws));
              Matrix moved = stream.moved(typed, ws)) {
            assertThat(moved.dtype()).isEqualTo(typed.dtype());
            assertThat(Oracle.flat(moved.toArray()))
                .containsExactly(Oracle.flat(expected), within(exact ? 1e-14 : 3e-6));
          }
        }
        stream.release();
      }
    }
  }

  @Test
  void transposedProductsAdd() {
    double[][] x = Oracle.gaussian(5, 3, 1);
    double[][] y = Oracle.gaussian(5, 4, 2);
    try (Workspace ws = Workspace.open();
        Matrix c = Matrix.zeros(3, 4)) {
      LinAlg.addTransposedProduct(2, Matrix.of(x), Matrix.of(y), c, ws);
      LinAlg.addTransposedProduct(-1, Matrix.of(x), Matrix.of(y), c, ws);
      assertThat(Oracle.flat(c.toArray()))
          .containsExactly(Oracle.flat(Oracle.multiply(Oracle.transpose(x), y)), within(1e-13));
    }
  }

  /** target source^T. */
  static double[][] products(double[][] target, double[][] source) {
    return Oracle.multiply(target, Oracle.transpose(source));
  }

  static double inner(double[][] a, double[][] b) {
    return Rows.dot(Oracle.flat(a), Oracle.flat(b));
  }

  private static int[][] orders(int n) {
    if (n == 1) {
      return new int[][] {{0}};
    }
    return Arrays.stream(orders(n - 1))
        .flatMap(
            shorter ->
                IntStream.range(0, n)
                    .mapToObj(
                        at -> {
                          int[] order = new int[n];
                          for (int i = 0, k = 0; i < n; i++) {
                            order[i] = i == at ? n - 1 : shorter[k++];
                          }
                          return order;
                        }))
        .toArray(int[][]::new);
  }
}
