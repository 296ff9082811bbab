// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

class AssignmentPropertiesTest {

  @Cases(400)
  void equalsBruteForceAndBeatsGreedy(Draw draw) {
    double[][] a = problem(draw);
    Assignment found = Assignment.maximise(Matrix.of(a), WS);
    double scale = Arrays.stream(a).flatMapToDouble(Arrays::stream).map(Math::abs).max().orElse(0);
    double tolerance = 1e-14 * a.length * scale;
    assertThat(found.value()).isCloseTo(Oracle.bestAssignment(a), within(tolerance));
    assertThat(found.value()).isGreaterThanOrEqualTo(Oracle.greedyAssignment(a) - tolerance);
    assertThat(found.value()).isCloseTo(Oracle.sumAt(a, found.columns()), within(tolerance));
    assertThat(Arrays.stream(found.columns()).distinct().count()).isEqualTo(a.length);
    assertThat(found.violation(Matrix.of(a), WS)).isLessThanOrEqualTo(tolerance);
  }

  /** Square and wide, with few different values (ties) and with many; of any size. */
  private static double[][] problem(Draw draw) {
    int rows = draw.integer(1, 7);
    int columns = draw.integer(rows, 7);
    SplittableRandom random = draw.random();
    DoubleSupplier values =
        switch (draw.of("tied", "free", "tiny")) {
          case "tied" -> () -> random.nextInt(-2, 3);
          case "free" -> () -> random.nextDouble(-1e6, 1e6);
          default -> () -> random.nextDouble(-1, 1) * 1e-200;
        };
    double[][] a = new double[rows][columns];
    for (double[] row : a) {
      Arrays.setAll(row, j -> values.getAsDouble());
    }
    return a;
  }
}
