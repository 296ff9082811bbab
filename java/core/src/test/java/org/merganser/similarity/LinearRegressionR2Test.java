// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.testing.Oracle;

/** Ridge regression against normal equations solved in plain loops. */
class LinearRegressionR2Test {
  private static final double[][] Y = Oracle.gaussian(40, 6, 1);
  private static final double[][] X =
      Oracle.map(Oracle.multiply(Y, Oracle.gaussian(6, 4, 2)), v -> v + Math.sin(9 * v) + 5);

  @ParameterizedTest
  @CsvSource({"0, 1", "0, 5", "0, 40", "2.5, 1", "2.5, 7", "1e6, 3"})
  void isThatOfTheNormalEquations(double lambda, int folds) {
    LinearRegressionR2.Options options = new LinearRegressionR2.Options(lambda, folds);
    try (Matrix x = Matrix.of(X);
        Matrix y = Matrix.of(Y)) {
      assertThat(LinearRegressionR2.of(options).between(x, y, WS).value())
          .isCloseTo(oracle(lambda, folds), within(1e-10));
    }
  }

  /** Without room for a map nothing can be predicted of what was not seen. */
  @ParameterizedTest
  @CsvSource({"60, 1, 1", "60, 10, 0"})
  void asManyFeaturesAsSamplesPredictAnythingThatTheySaw(int features, int folds, double most) {
    LinearRegressionR2.Options options = new LinearRegressionR2.Options(0, folds);
    try (Matrix x = Matrix.of(Oracle.gaussian(40, 3, 5));
        Matrix y = Matrix.of(Oracle.gaussian(40, features, 6))) {
      double found = LinearRegressionR2.of(options).between(x, y, WS).value();
      assertThat(found).isLessThanOrEqualTo(most);
      assertThat(found > 1 - 1e-9).isEqualTo(folds == 1);
    }
  }

  /** Where the only sample that varies is to be predicted, the mean of X is what predicts. */
  @ParameterizedTest
  @ValueSource(doubles = {0.1, 1 / 3.0, 7.3, 1e6 + 0.1})
  void aFoldWithoutVarianceIsPredictedByTheMean(double value) {
    int n = 30;
    double[][] x = Oracle.gaussian(n, 2, 1);
    double[][] y = new double[n][3];
    for (double[] row : y) {
      Arrays.fill(row, value);
    }
    y[11] = new double[] {value + 1, value + 2, value - 1};
    double errors = 0;
    double all = 0;
    double[] mean = Oracle.mean(x);
    int[] order = Seeds.order(n, WS.seed(), "linreg-r2");
    int fold = IntStream.range(0, n).filter(i -> order[i] == 11).findFirst().getAsInt() / 10;
    double[][] train =
        rows(x, IntStream.range(0, n).filter(i -> i / 10 != fold).map(i -> order[i]).toArray());
    double[] trainMean = Oracle.mean(train);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < 2; j++) {
        all += (x[i][j] - mean[j]) * (x[i][j] - mean[j]);
        if (i / 10 == fold) {
          double error = x[order[i]][j] - trainMean[j];
          errors += error * error;
        }
      }
    }
    for (int other = 0; other < 3; other++) {
      if (other != fold) {
        int f = other;
        int[] test = Arrays.copyOfRange(order, 10 * f, 10 * f + 10);
        int[] fitted = IntStream.range(0, n).filter(i -> i / 10 != f).map(i -> order[i]).toArray();
        // One feature says what three do, of one sample.
        errors +=
            error(rows(x, fitted), first(rows(y, fitted)), rows(x, test), first(rows(y, test)), 0);
      }
    }
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      Similarity found =
          LinearRegressionR2.of(new LinearRegressionR2.Options(0, 3)).between(left, right, WS);
      assertThat(found.value()).isCloseTo(1 - errors / all, within(1e-7));
      assertThat(found.estimator()).isEqualTo(SimilarityMeasure.Estimator.BIASED);
    }
  }

  private static double[][] first(double[][] y) {
    return Arrays.stream(y).map(row -> new double[] {row[0]}).toArray(double[][]::new);
  }

  private static double oracle(double lambda, int folds) {
    int n = X.length;
    int[] order =
        folds == 1 ? IntStream.range(0, n).toArray() : Seeds.order(n, WS.seed(), "linreg-r2");
    double errors = 0;
    for (int fold = 0; fold < folds; fold++) {
      int from = n * fold / folds;
      int to = n * (fold + 1) / folds;
      int[] test = Arrays.copyOfRange(order, from, to);
      int[] train =
          folds == 1
              ? test
              : IntStream.range(0, n).filter(i -> i < from || i >= to).map(i -> order[i]).toArray();
      errors += error(rows(X, train), rows(Y, train), rows(X, test), rows(Y, test), lambda);
    }
    double[] mean = Oracle.mean(X);
    double all = 0;
    for (double[] row : X) {
      for (int j = 0; j < row.length; j++) {
        all += (row[j] - mean[j]) * (row[j] - mean[j]);
      }
    }
    return 1 - errors / all;
  }

  private static double error(
      double[][] x, double[][] y, double[][] testX, double[][] testY, double lambda) {
    double[][] squares = Oracle.centredProducts(y, y);
    for (int i = 0; i < squares.length; i++) {
      squares[i][i] += lambda;
    }
    double[][] map = Oracle.multiply(Oracle.inverse(squares), Oracle.centredProducts(y, x));
    double[] meanX = Oracle.mean(x);
    double[] meanY = Oracle.mean(y);
    double sum = 0;
    for (int i = 0; i < testX.length; i++) {
      for (int j = 0; j < meanX.length; j++) {
        double predicted = meanX[j];
        for (int k = 0; k < meanY.length; k++) {
          predicted += (testY[i][k] - meanY[k]) * map[k][j];
        }
        sum += (testX[i][j] - predicted) * (testX[i][j] - predicted);
      }
    }
    return sum;
  }

  private static double[][] rows(double[][] a, int[] which) {
    return Arrays.stream(which).mapToObj(i -> a[i]).toArray(double[][]::new);
  }
}
