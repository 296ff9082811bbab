// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.compute.DType;

/**
 * Sums of two layers for CKA of linear kernels, and of each with itself; {@code u, w} samples less
 * their means, {@code r = |u|^2, t = |w|^2}.
 *
 * @param xy {@code |sum u w^T|^2 = <K, L>}
 * @param xx of X, and {@code yy} of Y
 * @param rt {@code sum r t}, {@code rr = sum r^2}, {@code tt = sum t^2}
 * @param r {@code sum r}, and {@code t = sum t}
 * @param precision in which products of samples were formed
 */
record LinearSums(
    double n,
    double xy,
    double xx,
    double yy,
    double rt,
    double rr,
    double tt,
    double r,
    double t,
    DType precision) {

  double biased() {
    return ratio(xy, xx, yy);
  }

  double debiased() {
    return ratio(unbiased(xy, rt, r, t), unbiased(xx, rr, r, r), unbiased(yy, tt, t, t));
  }

  /** The mean of the biased value over all orders of the samples of Y. */
  double chance() {
    return r * t / ((n - 1) * Math.sqrt(xx) * Math.sqrt(yy));
  }

  /** {@code n (n - 3)} times the unbiased HSIC. */
  private double unbiased(double product, double squares, double sumX, double sumY) {
    return product - n / (n - 2) * squares + sumX * sumY / ((n - 1) * (n - 2));
  }

  /** NaN where nothing but rounding is left of a side. */
  private double ratio(double both, double own, double other) {
    double single = n * Math.ulp(1f);
    double least = Math.max(n * Math.ulp(1.0), precision == DType.F64 ? 0 : single * single);
    if (!(own > least * xx) || !(other > least * yy)) {
      return Double.NaN;
    }
    return Math.max(-1, Math.min(1, both / (Math.sqrt(own) * Math.sqrt(other))));
  }
}
