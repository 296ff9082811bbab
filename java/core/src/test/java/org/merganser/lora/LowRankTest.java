// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import org.junit.jupiter.api.Test;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Products of two thin factors, decomposed without the product. */
class LowRankTest {
  /** The golden of the prototypes of Arrow: A = [1, 0, 2], B = [1, -1]^T. */
  @Test
  void singularValuesOfAProductAreThoseOfItsFactors() {
    try (LowRank found =
            LowRank.of(
                Matrix.of(new double[][] {{1, -1}}), Matrix.of(new double[][] {{1, 0, 2}}), WS);
        Matrix right = found.rightTransposed().toHost(WS);
        Matrix left = found.leftTransposed().toHost(WS)) {
      assertThat(found.values()).hasSize(1);
      assertThat(found.values()[0]).isCloseTo(3.16227766016838, within(1e-13));
      double sign = Math.signum(right.get(0, 0));
      Close.relative(
          "v", right.row(0), Oracle.scale(sign, 0.447213595499958, 0, 0.894427190999916), 1e-14);
      Close.relative("u", left.row(0), Oracle.scale(sign, Math.sqrt(0.5), -Math.sqrt(0.5)), 1e-14);
    }
  }

  /** Of products of more rows than columns too, and of factors of deficient rank. */
  @Cases(40)
  void aProductIsDecomposedByItsFactors(Draw draw) {
    int rank = draw.integer(1, 9);
    int in = draw.integer(1, 20);
    int out = draw.integer(1, 20);
    double[][] a = Oracle.gaussian(rank, in, draw.seed());
    double[][] b = Oracle.gaussian(out, rank, draw.seed());
    if (draw.of(false, true)) {
      a[0] = new double[in];
    }
    double[][] product = Oracle.multiply(b, a);
    try (LowRank found = LowRank.of(Matrix.of(Oracle.transpose(b)), Matrix.of(a), WS);
        Svd svd = Svd.of(Matrix.of(product), WS)) {
      double largest = svd.singularValues()[0];
      for (int k = 0; k < found.values().length; k++) {
        assertThat(found.values()[k]).isCloseTo(svd.singularValues()[k], within(1e-12 * largest));
      }
      long all = found.rank();
      double[][] back =
          Oracle.multiply(
              Oracle.transpose(found.left(all, WS).toHost(WS).toArray()),
              found.right(all, WS).toHost(WS).toArray());
      for (int i = 0; i < out; i++) {
        for (int j = 0; j < in; j++) {
          assertThat(back[i][j]).isCloseTo(product[i][j], within(1e-12 * largest));
        }
      }
    }
  }
}
