// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.testing.Oracle;

/** Memory and indices where samples, features or orders are many. */
class CkaSizesTest {

  /** The wider of two sides is not put in order, whichever it is. */
  @ParameterizedTest
  @CsvSource({"1500, 1, 6000", "1500, 6000, 1", "40, 3, 5", "40, 5, 3", "40, 4, 4"})
  void productsOfPermutedFeatures(int n, int p, int q) {
    double[][] x = Oracle.gaussian(n, p, 1);
    double[][] y = Oracle.gaussian(n, q, 2);
    int[][] orders = new int[17][];
    Arrays.setAll(orders, k -> Seeds.order(n, k, "orders"));
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y);
        PermutedFeatures features = PermutedFeatures.of(left, right, WS)) {
      assertThat(PermutedFeatures.pays(left, right)).isTrue();
      double[] products = features.products(orders);
      for (int k : new int[] {0, 7, 16}) {
        double expected = squaredProduct(x, y, orders[k]);
        assertThat(products[k]).isCloseTo(expected, within(1e-10 * expected));
      }
    }
  }

  /** {@code |sum_i x_i y_p(i)^T|^2}. */
  private static double squaredProduct(double[][] x, double[][] y, int[] order) {
    double[][] product = new double[x[0].length][y[0].length];
    for (int i = 0; i < x.length; i++) {
      for (int a = 0; a < product.length; a++) {
        for (int b = 0; b < product[a].length; b++) {
          product[a][b] += x[i][a] * y[order[i]][b];
        }
      }
    }
    return Naive.inner(product, product);
  }

  /** 2^15 orders of 2000 samples, most of which stay where they are. */
  @Test
  void exactOrdersComeInParts() {
    int n = 2000;
    int[] groups = IntStream.range(0, n).map(i -> i < 30 ? i / 2 : i).toArray();
    AtomicInteger most = new AtomicInteger();
    AtomicInteger first = new AtomicInteger();
    try (Matrix x = Matrix.of(Oracle.gaussian(n, 2, 1));
        Matrix k = Gram.linear(x, WS)) {
      GramPair pair = GramPair.borrowed(k, k, 1, WS);
      double t = Translation.sum(pair.centred.kl());
      PermutationTest.Products products =
          orders -> {
            most.accumulateAndGet(orders.length, Math::max);
            return Arrays.stream(orders)
                .mapToDouble(
                    order -> {
                      boolean same = IntStream.range(0, n).allMatch(i -> order[i] == i);
                      first.addAndGet(same ? 1 : 0);
                      return same ? t : 0;
                    })
                .toArray();
          };
      Significance found = PermutationTest.of(pair, products, 19, groups, WS);
      assertThat(found).isEqualTo(new Significance(1, 1 << 15, true));
      assertThat(first.get()).isEqualTo(1);
      assertThat(most.get()).isEqualTo((1 << 22) / n);
    }
  }

  @Test
  void limitsOfMoreSamplesThanMediansAreOfAreRefused() {
    try (Matrix x = Matrix.zeros(8193, 1)) {
      assertThatThrownBy(() -> CkaSensitivity.rbfLimit(x, new int[] {0}, 1, false, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "an RBF limit takes the distances of all pairs of samples, of 8192 at most, and there"
                  + " are 8193; draw some of them");
    }
  }

  @Test
  void aReadoutMayBeSingleAndIsLookedAtFirst() {
    double[][] x = Oracle.gaussian(30, 4, 1);
    try (Matrix left = Matrix.of(x);
        Matrix wide = Matrix.of(Oracle.gaussian(2, 4, 2));
        Matrix single = Matrix.of(wide.asTensor().to(DType.F32, WS));
        Matrix rounded = Matrix.of(single.asTensor().to(DType.F64, WS))) {
      int[] labels = IntStream.range(0, 30).map(i -> i % 2).toArray();
      ReliabilityReport one = CkaReliability.of(left, left).labels(labels).readout(single).run(WS);
      ReliabilityReport two = CkaReliability.of(left, left).labels(labels).readout(rounded).run(WS);
      assertThat(one.translations()).isEqualTo(two.translations());
      // Before X, which is not a number.
      x[3][1] = Double.NaN;
      try (Matrix broken = Matrix.of(x);
          Matrix all = Matrix.of(Oracle.gaussian(4, 4, 3))) {
        assertThatThrownBy(() -> CkaReliability.of(broken, broken).readout(all).run(WS))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("span all 4 features");
        assertThatThrownBy(() -> CkaReliability.of(broken, broken).readout(single).run(WS))
            .isInstanceOf(NumericalException.class);
      }
    }
  }
}
