// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.array;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.testing.Oracle;

/**
 * Costs and duals of very different sizes, against shortest paths in decimal numbers of any length.
 */
class AssignmentExactTest {
  private static final Workspace WS = Workspace.builder().threads(2).open();

  /** The sum of the matching found is the least there is, in exact arithmetic. */
  private static void requireOptimum(Assignment found, double[][] cost, String what) {
    int[] best = oracle(cost);
    BigDecimal want = sum(cost, best);
    BigDecimal got = sum(cost, found.columns());
    double scale = 0;
    double least = Double.POSITIVE_INFINITY;
    for (int i = 0; i < best.length; i++) {
      double entry = Math.abs(cost[i][best[i]]);
      scale += entry;
      least = entry == 0 ? least : Math.min(least, entry);
    }
    double gap = got.subtract(want).doubleValue();
    assertThat(gap).as(what).isBetween(0.0, Math.min(4 * Math.ulp(scale), 1e-6 * least));
    assertThat(Math.abs(found.value()))
        .as(what)
        .isCloseTo(Math.abs(want.doubleValue()), bits(scale));
  }

  private static Offset<Double> bits(double scale) {
    return within(64 * Math.ulp(scale));
  }

  @ParameterizedTest
  @ValueSource(doubles = {1e6, 1e9, 1e12, 1e15, 1e18, Float.MAX_VALUE, 1e100, 1e300})
  void aLargeNumberForbidsAsInfinityDoes(double large) {
    for (int seed = 0; seed < 20; seed++) {
      Random random = new Random(seed);
      int n = 4 + random.nextInt(22);
      int m = n + (seed % 3 == 0 ? random.nextInt(6) : 0);
      double share = random.nextDouble();
      double[][] cost = new double[n][m];
      for (double[] row : cost) {
        Arrays.setAll(row, j -> random.nextDouble() < share ? large : random.nextDouble());
      }
      requireOptimum(Assignment.minimise(Matrix.of(cost), WS), cost, "seed " + seed);
      Matrix narrow = Matrix.of(Matrix.of(cost).asTensor().to(DType.F32, WS));
      double[][] rounded = array(narrow);
      if (large < 1e38) {
        requireOptimum(Assignment.minimise(narrow, WS), rounded, "F32, seed " + seed);
      }
      Assignment best = Assignment.maximise(Matrix.of(Oracle.map(cost, c -> -c)), WS);
      requireOptimum(best, cost, "maximum, seed " + seed);
      List<Assignment> all = Assignment.minimiseAll(List.of(Matrix.of(cost), Matrix.of(cost)), WS);
      requireOptimum(all.get(1), cost, "batch, seed " + seed);
      all.get(0).certify(Matrix.of(cost), WS);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 8, 20, 60, 150})
  void tailsAndScales(double deviation) {
    for (int seed = 0; seed < 30; seed++) {
      Random random = new Random(seed);
      int n = 3 + random.nextInt(20);
      double[][] cost = new double[n][n];
      int kind = seed % 3;
      for (double[] row : cost) {
        double ofRow = Math.exp(deviation * random.nextGaussian());
        for (int j = 0; j < n; j++) {
          double tail = Math.exp(deviation * random.nextGaussian());
          row[j] =
              kind == 0
                  ? tail
                  : kind == 1 ? random.nextGaussian() * ofRow : ofRow + random.nextDouble() - tail;
          row[j] = Math.max(-1e300, Math.min(1e300, row[j]));
        }
      }
      Matrix matrix = Matrix.of(cost);
      Assignment found = Assignment.minimise(matrix, WS);
      requireOptimum(found, cost, "seed " + seed);
      found.certify(matrix, WS);
    }
  }

  @Test
  void tinyCosts() {
    Random random = new Random(3);
    for (double scale : new double[] {1e-300, 1e-310, Double.MIN_VALUE * 1000}) {
      double[][] cost = new double[40][40];
      for (double[] row : cost) {
        Arrays.setAll(row, j -> random.nextDouble() * scale);
      }
      Matrix matrix = Matrix.of(cost);
      Assignment found = Assignment.minimise(matrix, WS);
      requireOptimum(found, cost, "scale " + scale);
      found.certify(matrix, WS);
    }
  }

  @Test
  void anyFiniteDualsStartASolution() {
    for (int seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      int n = 2 + random.nextInt(15);
      double[][] cost = new double[n][n];
      for (double[] row : cost) {
        Arrays.setAll(row, j -> random.nextGaussian());
      }
      double scale = Math.pow(10, 300 * random.nextDouble());
      double[] start = random.doubles(n).map(x -> (2 * x - 1) * scale).toArray();
      Matrix matrix = Matrix.of(cost);
      Assignment found = Assignment.minimiseFrom(start, matrix, WS);
      requireOptimum(found, cost, "seed " + seed + ", duals of " + scale);
      found.certify(matrix, WS);
      double[][] negated = Oracle.map(cost, c -> -c);
      requireOptimum(Assignment.maximiseFrom(start, Matrix.of(negated), WS), cost, "seed " + seed);
    }
  }

  @Test
  void productsOfFactorsOfDifferentSizes() {
    Random random = new Random(8);
    double[][] x = new double[24][3];
    double[][] y = new double[24][3];
    for (int i = 0; i < 24; i++) {
      for (int k = 0; k < 3; k++) {
        x[i][k] = random.nextGaussian() * Math.exp(15 * random.nextGaussian());
        y[i][k] = random.nextGaussian() * Math.exp(15 * random.nextGaussian());
      }
    }
    double[][] products = Oracle.multiply(x, Oracle.transpose(y));
    Assignment found = Assignment.minimiseProducts(Matrix.of(x), Matrix.of(y), WS);
    requireOptimum(found, products, "products");
    found.certifyProducts(Matrix.of(x), Matrix.of(y), WS);
  }

  @Test
  void theCertificateDoesNotMeasureByEntriesThatAreNotChosen() {
    double[][] cost = {{1, 2, 1e15}, {2, 1.5, 1e15}, {1e15, 1e15, 3}};
    Matrix matrix = Matrix.of(cost);
    Assignment best = Assignment.minimise(matrix, WS);
    best.certify(matrix, WS);
    // Worse by 1.5, with duals whose rounding at 1e15 would hide it.
    double[] u = {1e15, 1e15, 3};
    double[] v = {-1e15, -1e15, 0};
    Assignment worse = new Assignment(new int[] {1, 0, 2}, 7, u, v, false);
    assertThatThrownBy(() -> worse.certify(matrix, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("another matching is better by 1.5");
  }

  @Test
  void arraysThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> new Assignment(new int[2], 0, new double[1], new double[2], false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("2 rows with 1 duals, and 2 duals of columns");
    assertThatThrownBy(() -> new Assignment(new int[2], 0, new double[2], new double[1], false))
        .isInstanceOf(IllegalArgumentException.class);
    Assignment one = new Assignment(new int[] {0}, 0, new double[1], new double[1], false);
    String message = "an assignment of 1 rows to 1 columns is no solution of a 1 x 1000000 problem";
    assertThatThrownBy(() -> one.violation(Matrix.zeros(1, 1_000_000), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage(message);
    assertThatThrownBy(
            () -> one.violationOfProducts(Matrix.zeros(1, 0), Matrix.zeros(1_000_000, 0), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage(message);
    assertThatThrownBy(() -> one.certify(Matrix.zeros(2, 2), WS))
        .isInstanceOf(ShapeException.class);
    Assignment outside = new Assignment(new int[] {7}, 0, new double[1], new double[1], false);
    assertThatThrownBy(() -> outside.certify(Matrix.zeros(1, 1), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("row_to_col[0] = 7 is out of range");
  }

  private static BigDecimal sum(double[][] cost, int[] columns) {
    BigDecimal sum = BigDecimal.ZERO;
    for (int i = 0; i < columns.length; i++) {
      sum = sum.add(new BigDecimal(cost[i][columns[i]]));
    }
    return sum;
  }

  /** Shortest augmenting paths, row by row; indices from 1, column 0 is where a path starts. */
  private static int[] oracle(double[][] cost) {
    int n = cost.length;
    int m = cost[0].length;
    BigDecimal[] u = new BigDecimal[n + 1];
    BigDecimal[] v = new BigDecimal[m + 1];
    Arrays.fill(u, BigDecimal.ZERO);
    Arrays.fill(v, BigDecimal.ZERO);
    int[] rowOf = new int[m + 1];
    int[] before = new int[m + 1];
    for (int i = 1; i <= n; i++) {
      rowOf[0] = i;
      int column = 0;
      BigDecimal[] distance = new BigDecimal[m + 1];
      boolean[] closed = new boolean[m + 1];
      do {
        closed[column] = true;
        int row = rowOf[column];
        int next = -1;
        for (int j = 1; j <= m; j++) {
          if (closed[j]) {
            continue;
          }
          BigDecimal reduced = new BigDecimal(cost[row - 1][j - 1]).subtract(u[row]).subtract(v[j]);
          if (distance[j] == null || reduced.compareTo(distance[j]) < 0) {
            distance[j] = reduced;
            before[j] = column;
          }
          next = next < 0 || distance[j].compareTo(distance[next]) < 0 ? j : next;
        }
        BigDecimal step = distance[next];
        for (int j = 0; j <= m; j++) {
          if (closed[j]) {
            u[rowOf[j]] = u[rowOf[j]].add(step);
            v[j] = v[j].subtract(step);
          } else if (distance[j] != null) {
            distance[j] = distance[j].subtract(step);
          }
        }
        column = next;
      } while (rowOf[column] != 0);
      while (column != 0) {
        rowOf[column] = rowOf[before[column]];
        column = before[column];
      }
    }
    int[] columns = new int[n];
    for (int j = 1; j <= m; j++) {
      if (rowOf[j] > 0) {
        columns[rowOf[j] - 1] = j - 1;
      }
    }
    return columns;
  }
}
