// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

/**
 * What rotations of the pairs (i, i + dh/2) of a head can reach. With the pairs of the source and
 * of the target as complex numbers {@code z = a + i b}, one for each column, it is {@code c = sum
 * conj(z_source) z_target}: the pairs turned by phi have the product {@code Re(exp(-i phi) c)} with
 * the target, at most {@code |c|}, at {@code phi = arg c}.
 */
final class PairSums {
  final double[] re;
  final double[] im;

  PairSums(int pairs) {
    re = new double[pairs];
    im = new double[pairs];
  }

  /**
   * Of rows of a head.
   *
   * @param block products {@code target source^T} of the rows of a head, dh x dh
   */
  static PairSums of(double[] block, int size) {
    PairSums sums = new PairSums(size / 2);
    for (int i = 0; i < size / 2; i++) {
      int k = i + size / 2;
      sums.re[i] = block[i * size + i] + block[k * size + k];
      sums.im[i] = block[k * size + i] - block[i * size + k];
    }
    return sums;
  }

  void add(PairSums other) {
    for (int i = 0; i < re.length; i++) {
      re[i] += other.re[i];
      im[i] += other.im[i];
    }
  }

  /** arg c; 0 where c is 0. */
  double phase(int i) {
    return StrictMath.atan2(im[i], re[i]);
  }
}
