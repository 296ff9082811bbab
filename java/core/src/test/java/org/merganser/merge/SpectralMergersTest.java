// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Oracle;

/** Mergers of singular vectors: worked values, what they leave unchanged, planted spectra. */
class SpectralMergersTest {

  private static final double[][] A = {{3, 0}, {0, 1}};
  private static final double[][] B = {{1, 1}, {1, 1}};

  @Test
  void isotropicSumOfTwoDirections() throws IOException {
    double[] merged =
        merge("iso-c", new double[][] {{2, 0}, {0, 0}}, new double[][] {{0, 0}, {0, 1}});
    assertClose(merged, 1.5, 0, 0, 1.5);
  }

  @Test
  void singularVectorsMadeOrthogonal() throws IOException {
    assertClose(merge("tsv-m", A, B), 2.853553391, -0.353553391, -0.353553391, 2.146446609);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5})
  void theMeanOfAlignedVectorsIsTheMeanOfTheModels(int models) throws IOException {
    List<double[][]> all = new ArrayList<>();
    for (int k = 0; k < models; k++) {
      all.add(random(k, 7, 11));
    }
    double[] merged = merge("knots:elect=false", all.toArray(double[][][]::new));
    for (int i = 0; i < merged.length; i++) {
      double sum = 0;
      for (double[][] each : all) {
        sum += each[i / 11][i % 11];
      }
      assertThat(merged[i]).isCloseTo(sum / models, within(1e-13));
    }
  }

  /**
   * One model, nothing trimmed or elected away, is itself; so is its task vector made orthogonal.
   */
  @ParameterizedTest
  @ValueSource(strings = {"knots", "tsv-m"})
  void oneModelStays(String method) throws IOException {
    double[][] one = random(3, 6, 4);
    double[] merged = merge(method, one);
    for (int i = 0; i < merged.length; i++) {
      assertThat(merged[i]).isCloseTo(one[i / 4][i % 4], within(1e-14));
    }
  }

  @ParameterizedTest
  @CsvSource({"iso-c,1", "iso-cts,1", "iso-cts:common=0.3,1", "iso-c:lambda=0.5,0.5"})
  void allDirectionsAreEquallyLong(String method, double lambda) throws IOException {
    double[][] a = random(1, 9, 6);
    double[][] b = random(2, 9, 6);
    double[] merged = merge(method, a, b);
    try (Matrix result = Matrix.of(rows(merged, 6));
        Svd svd = Svd.of(result, WS)) {
      double[] values = svd.singularValues();
      for (double value : values) {
        assertThat(value).isCloseTo(values[0], within(1e-12));
      }
      if (method.startsWith("iso-c:") || method.equals("iso-c")) {
        try (Matrix x = Matrix.of(a);
            Matrix y = Matrix.of(b);
            Matrix sum = LinAlg.add(x, y, WS);
            Svd of = Svd.of(sum, WS)) {
          assertThat(values[0])
              .isCloseTo(lambda * SpectralMerger.mean(of.singularValues()), within(1e-12));
        }
      }
    }
  }

  /**
   * With six directions, two models and half of them in common, the common ones are 6 - 2 round(3 /
   * 2) = 2 (to even), and each model brings 2: planted in blocks, they can be told apart.
   */
  @Test
  void directionsOfTheTasksJoinTheCommonOnes() throws IOException {
    double[][] a = new double[6][6];
    double[][] b = new double[6][6];
    double[] ofA = {9, 8, 3, 2, 0, 0};
    double[] ofB = {9, 8, 0, 0, 3, 2};
    for (int i = 0; i < 6; i++) {
      a[i][i] = ofA[i];
      b[i][i] = ofB[i];
    }
    double mean = (18 + 16 + 3 + 2 + 3 + 2) / 6.0;
    double[] merged = merge("iso-cts:common=0.5", a, b);
    for (int i = 0; i < 36; i++) {
      assertThat(merged[i]).isCloseTo(i % 7 == 0 ? mean : 0, within(1e-12));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"iso-c", "iso-cts", "tsv-m", "knots"})
  void whatIsNoMatrixIsAveraged(String method) throws IOException {
    Tensor zeros = Tensor.of(new double[3], 3);
    Checkpoint base = MemoryCheckpoint.of(Map.of("w", zeros));
    MergeProblem problem =
        MergeProblem.of(
                MemoryCheckpoint.of(Map.of("w", Tensor.of(new double[] {1, 2, 3}, 3))),
                MemoryCheckpoint.of(Map.of("w", Tensor.of(new double[] {3, 4, 8}, 3))))
            .withBase(base);
    try (Tensor found = Catalogue.mergers().method(method).merge(problem, WS).read("w", WS)) {
      assertClose(found.toDoubleArray(), 2, 3, 5.5);
    }
  }

  @Test
  void differencesOfNoSingularValueAboveTheSmallestAreDropped() throws IOException {
    assertClose(merge("knots", new double[][] {{1e-5, 0}, {0, 1e-5}}), 0, 0, 0, 0);
    assertClose(merge("knots:smallest=0", new double[][] {{1e-5, 0}, {0, 2e-5}}), 1e-5, 0, 0, 2e-5);
  }

  /** Half of the elements of V that count, one of two: those of the null space do not. */
  @Test
  void vectorsOfDroppedSingularValuesAreNotKept() throws IOException {
    assertClose(
        merge("knots:density=0.5,normalise=false", new double[][] {{4, 1}, {0, 0}}), 4, 0, 0, 0);
    // A model that is the base has no vote, not even of rounding.
    double[][] change = Oracle.gaussian(5, 4, 3);
    assertClose(merge("knots", change, new double[5][4]), Oracle.flat(change));
  }

  @Test
  void aRowIsAMatrixOfRankOne() throws IOException {
    assertClose(merge("iso-c", new double[][] {{1, 5}}, new double[][] {{3, 5}}), 4, 10);
    assertClose(merge("tsv-m", new double[][] {{1, 5}}, new double[][] {{3, 5}}), 2, 5);
  }

  private static double[] merge(String method, double[][]... models) throws IOException {
    int columns = models[0][0].length;
    double[][] zeros = new double[models[0].length][columns];
    List<Checkpoint> all = new ArrayList<>();
    for (double[][] model : models) {
      all.add(MemoryCheckpoint.of(Map.of("w", Matrix.of(model).asTensor())));
    }
    MergeProblem problem =
        MergeProblem.of(all)
            .withBase(MemoryCheckpoint.of(Map.of("w", Matrix.of(zeros).asTensor())));
    try (Tensor found = Catalogue.mergers().method(method).merge(problem, WS).read("w", WS)) {
      return found.toDoubleArray();
    }
  }

  private static double[][] rows(double[] values, int columns) {
    double[][] rows = new double[values.length / columns][columns];
    for (int i = 0; i < values.length; i++) {
      rows[i / columns][i % columns] = values[i];
    }
    return rows;
  }

  private static double[][] random(long seed, int rows, int columns) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] values = new double[rows][columns];
    for (double[] row : values) {
      for (int j = 0; j < columns; j++) {
        row[j] = 2 * random.nextDouble() - 1;
      }
    }
    return values;
  }

  private static void assertClose(double[] found, double... wanted) {
    assertThat(found).hasSize(wanted.length);
    for (int i = 0; i < wanted.length; i++) {
      assertThat(found[i]).as("element %s", i).isCloseTo(wanted[i], within(1e-9));
    }
  }
}
