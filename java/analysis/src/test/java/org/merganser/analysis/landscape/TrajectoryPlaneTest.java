// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;

class TrajectoryPlaneTest {
  private static double[][] walk(int n, int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] rows = new double[n][width];
    for (int i = 1; i < n; i++) {
      for (int c = 0; c < width; c++) {
        rows[i][c] = rows[i - 1][c] + random.nextGaussian();
      }
    }
    return rows;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void samplesAreProjectedOnTheirPlane(long seed) throws IOException {
    int width = 200;
    double[][] rows = walk(12, width, seed);
    try (Workspace ws = Minima.workspace(1);
        Matrix matrix = Matrix.of(rows)) {
      TrajectoryPlane plane = TrajectoryPlane.of(SampleRows.of(matrix), ws);
      double[] first = plane.axes()[0];
      double[] second = plane.axes()[1];
      assertThat(Vectors.length(first)).isCloseTo(1, within(1e-9));
      assertThat(Vectors.length(second)).isCloseTo(1, within(1e-9));
      assertThat(Vectors.dot(first, second)).isCloseTo(0, within(1e-9));
      double scale = Vectors.length(rows[11]);
      double[] mean = new double[width];
      for (double[] row : rows) {
        mean = Vectors.moved(mean, 1.0 / rows.length, row, 0, row);
      }
      double all = 0;
      double[] along = new double[2];
      for (double[] row : rows) {
        double[] off = Vectors.moved(row, -1, mean, 0, mean);
        all += Vectors.dot(off, off);
        along[0] += Math.pow(Vectors.dot(off, first), 2);
        along[1] += Math.pow(Vectors.dot(off, second), 2);
      }
      assertThat(plane.explained()[0]).isCloseTo(along[0] / all, within(1e-9));
      assertThat(plane.explained()[1]).isCloseTo(along[1] / all, within(1e-9));
      for (int i = 0; i < rows.length; i++) {
        double[] off = Vectors.moved(rows[i], -1, rows[11], 0, first);
        double x = Vectors.dot(off, first);
        double y = Vectors.dot(off, second);
        assertThat(plane.coordinates()[i][0]).isCloseTo(x, within(1e-9 * scale));
        assertThat(plane.coordinates()[i][1]).isCloseTo(y, within(1e-9 * scale));
        double[] left = Vectors.moved(off, -x, first, -y, second);
        assertThat(plane.residuals()[i]).isCloseTo(Vectors.length(left), within(1e-6 * scale));
      }
      assertThat(plane.coordinates()[11]).containsExactly(new double[2], within(1e-9 * scale));
      assertThat(plane.explained()[0]).isGreaterThan(plane.explained()[1]);
    }
  }

  /** The variance along the first axis is that of no other direction. */
  @Test
  void samplesOfAPlaneHaveNoResidual() throws IOException {
    double[][] rows = {{0, 0, 5, 1}, {4, 0, 5, 1}, {4, 1, 5, 1}, {-3, 1, 5, 1}};
    try (Workspace ws = Minima.workspace(1);
        Matrix matrix = Matrix.of(rows)) {
      TrajectoryPlane plane = TrajectoryPlane.of(SampleRows.of(matrix), ws);
      assertThat(plane.residuals()).containsExactly(new double[4], within(1e-6));
      assertThat(plane.explained()[0] + plane.explained()[1]).isCloseTo(1, within(1e-12));
      // Of the scatter [[34.75, -1.5], [-1.5, 1]] of the first two columns, the larger eigenvalue.
      double larger = (35.75 + Math.sqrt(33.75 * 33.75 + 4 * 1.5 * 1.5)) / 2;
      assertThat(plane.explained()[0]).isCloseTo(larger / 35.75, within(1e-12));
      assertThat(Math.abs(plane.axes()[0][0])).isGreaterThan(0.99);
      assertThat(plane.axes()[0][2]).isCloseTo(0, within(1e-12));
    }
  }

  @Test
  void aLineIsNoPlane() throws IOException {
    try (Workspace ws = Minima.workspace(1);
        Matrix line = Matrix.of(new double[][] {{0, 0}, {1, 2}, {2, 4}, {-1, -2}});
        Matrix two = Matrix.of(new double[][] {{0, 0}, {1, 2}});
        Matrix same = Matrix.of(new double[][] {{1, 2}, {1, 2}, {1, 2}})) {
      assertThatThrownBy(() -> TrajectoryPlane.of(SampleRows.of(line), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("component 2");
      assertThatThrownBy(() -> TrajectoryPlane.of(SampleRows.of(same), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("component 1");
      assertThatThrownBy(() -> TrajectoryPlane.of(SampleRows.of(two), ws))
          .hasMessageContaining("3 samples, not 2");
    }
  }

  /** Steps of 1 at a distance of 1000 from 0. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void aLineFarFromZeroIsNoPlane(long seed) throws IOException {
    double[][] two = walk(3, 50, seed);
    double[][] rows = new double[5][50];
    for (int i = 0; i < 5; i++) {
      rows[i] = Vectors.moved(two[1], 999, two[1], i, two[2]);
    }
    try (Workspace ws = Minima.workspace(1);
        Matrix matrix = Matrix.of(rows)) {
      assertThatThrownBy(() -> TrajectoryPlane.of(SampleRows.of(matrix), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("lie on a line: variance")
          .hasMessageContaining("component 2");
    }
  }

  /** The plane of a trajectory and of the same one far away. */
  @Test
  void aTrajectoryFarFromZeroHasThePlaneOfOneThatIsNear() throws IOException {
    double[][] near = walk(8, 60, 5);
    double[][] far = new double[8][60];
    for (int i = 0; i < 8; i++) {
      for (int c = 0; c < 60; c++) {
        near[i][c] = Math.rint(1024 * near[i][c]) / 1024;
        far[i][c] = near[i][c] + 1e7;
      }
    }
    try (Workspace ws = Minima.workspace(1);
        Matrix a = Matrix.of(near);
        Matrix b = Matrix.of(far)) {
      TrajectoryPlane wanted = TrajectoryPlane.of(SampleRows.of(a), ws);
      TrajectoryPlane found = TrajectoryPlane.of(SampleRows.of(b), ws);
      for (int k = 0; k < 2; k++) {
        assertThat(found.axes()[k]).containsExactly(wanted.axes()[k], within(1e-7));
      }
      assertThat(found.residuals()).containsExactly(wanted.residuals(), within(1e-4));
    }
  }
}
