// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class RnnInitTest {

  @ParameterizedTest
  @EnumSource(RnnInit.class)
  void startsDependOnTheSeedAndHaveTheirForm(RnnInit init) {
    for (int n : new int[] {100, 7}) {
      double[] v = init.matrix(n, n, new SplittableRandom(3));
      assertThat(v).containsExactly(init.matrix(n, n, new SplittableRandom(3)));
      assertThat(v).isNotEqualTo(init.matrix(n, n, new SplittableRandom(4)));
      if (init.isSquare()) {
        for (int i = 0; i < n * n; i++) {
          double dot = 0;
          for (int k = 0; k < n; k++) {
            dot += v[k * n + i / n] * v[k * n + i % n];
          }
          assertThat(dot).isCloseTo(i / n == i % n ? 1 : 0, within(1e-12));
        }
      } else if (n == 100) {
        double squares = 0;
        for (double each : v) {
          squares += each * each;
        }
        double wanted = init == RnnInit.KAIMING ? .02 : .01;
        // Six standard errors of 10 000 squares.
        assertThat(squares / v.length).isCloseTo(wanted, within(6 * wanted * Math.sqrt(2e-4)));
      }
    }
  }

  /** Of matrices that are not square, which alone tell rows from columns. */
  @ParameterizedTest
  @CsvSource({"XAVIER, 0.01", "KAIMING, 0.04", "GAUSSIAN, 0.02"})
  void variancesAreThoseOfTheirFans(RnnInit init, double wanted) {
    double squares = 0;
    double[] u = init.matrix(150, 50, new SplittableRandom(3));
    assertThat(u).hasSize(150 * 50);
    for (double each : u) {
      squares += each * each;
    }
    // Six standard errors of 7500 squares: a tenth; the other fan is off by 3 or more.
    assertThat(squares / u.length).isCloseTo(wanted, within(6 * wanted * Math.sqrt(2.0 / 7500)));
  }

  @Test
  void aBlockOfHenaffIsARotation() {
    double[] block = RnnInit.rotations(2, -Math.PI / 3);
    double[] wanted = {.5, -.8660254037844386, .8660254037844386, .5};
    for (int i = 0; i < 4; i++) {
      assertThat(block[i]).isCloseTo(wanted[i], within(1e-15));
    }
    assertThat(RnnInit.rotations(3, 0)).containsExactly(1, 0, 0, -0.0, 1, 0, 0, 0, 1);
    double[] drawn = RnnInit.HENAFF.matrix(50, 50, new SplittableRandom(1));
    for (int i = 0; i < 50; i += 2) {
      // theta in (-pi, 0): the sine above the diagonal is negative.
      assertThat(drawn[i * 50 + i + 1]).isNegative();
    }
  }
}
