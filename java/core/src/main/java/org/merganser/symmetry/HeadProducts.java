// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.linalg.Matrix;

/**
 * Products of what heads of the target and of the source have: of weights or of activations. All
 * that the matching of heads looks at.
 *
 * @param size dh
 * @param queries [H dh x H dh], rows of the target, columns of the source
 * @param keys [K dh x K dh]
 * @param values [K dh x K dh]
 * @param outputs [H dh x H dh], of what reads the values
 */
record HeadProducts(int size, Part queries, Part keys, Part values, Part outputs) {
  /**
   * One kind of them.
   *
   * @param products on the host, F64 or F32
   * @param squares of each row (dimension of a head) of the source
   * @param targetSizes divisors of the heads of the target; empty for ones
   * @param sourceSizes divisors of the heads of the source; empty for ones
   */
  record Part(Matrix products, double[] squares, double[] targetSizes, double[] sourceSizes) {
    static Part of(Matrix products, double[] squares) {
      return new Part(products, squares, new double[0], new double[0]);
    }

    int heads(int size) {
      return Math.toIntExact(products.rows() / size);
    }

    /** {@code target source^T} of two heads, dh x dh. */
    double[] block(int target, int source, int size) {
      double[] block = Rows.block(products, target * size, source * size, size);
      if (targetSizes.length > 0) {
        double divisor = targetSizes[target] * sourceSizes[source];
        for (int i = 0; i < block.length; i++) {
          block[i] = divisor == 0 ? 0 : block[i] / divisor;
        }
      }
      return block;
    }

    /** Sum of squares of a head of the source. */
    double square(int source, int size) {
      double sum = 0;
      for (int i = 0; i < size; i++) {
        sum += squares[source * size + i];
      }
      return sum;
    }

    /** The same of each pair. */
    double[] pairSquares(int source, int size) {
      double[] pairs = new double[size / 2];
      for (int i = 0; i < pairs.length; i++) {
        pairs[i] = squares[source * size + i] + squares[source * size + i + pairs.length];
      }
      return pairs;
    }
  }

  int keyValueHeads() {
    return keys.heads(size);
  }

  /** Query heads of a KV head. */
  int group() {
    return queries.heads(size) / keyValueHeads();
  }
}
