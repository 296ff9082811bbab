// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.merganser.testing.Oracle;

class AssignmentPropertiesTest {

  @Property(tries = 400)
  void equalsBruteForceAndBeatsGreedy(@ForAll("problems") double[][] a) {
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
  @Provide
  Arbitrary<double[][]> problems() {
    Arbitrary<Double> tied = Arbitraries.integers().between(-2, 2).map(Integer::doubleValue);
    Arbitrary<Double> free = Arbitraries.doubles().between(-1e6, 1e6);
    Arbitrary<Double> tiny = Arbitraries.doubles().between(-1, 1).map(x -> x * 1e-200);
    return Arbitraries.integers()
        .between(1, 7)
        .flatMap(
            rows ->
                Arbitraries.integers()
                    .between(rows, 7)
                    .flatMap(
                        columns ->
                            Arbitraries.of(tied, free, tiny)
                                .flatMap(v -> v.array(double[].class).ofSize(columns))
                                .array(double[][].class)
                                .ofSize(rows)));
  }
}
