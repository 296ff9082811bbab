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
}
