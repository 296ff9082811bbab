// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.DoublePointer;
import org.merganser.natives.global.merganser;

/** Gram matrices, their centring, and sums over them; n x n matrices are F64. */
public final class GramKernels {
  private final Context context;

  GramKernels(Context context) {
    this.context = context;
  }

  /** Columns less their means, F64 or F32 on either side. */
  public void centreColumns(MatrixBlock in, MatrixBlock out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_centre_columns(
              call.context(),
              in.dtype(),
              out.dtype(),
              in.rows(),
              in.columns(),
              call.in(in.block()),
              in.ld(),
              call.out(out.block()),
              out.ld()));
    }
  }

  /**
   * Products of centred rows, or their squared distances.
   *
   * @param precision of the products
   */
  public void gram(int precision, boolean distances, MatrixBlock x, Block out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_gram(
              call.context(),
              x.dtype(),
              precision,
              distances ? merganser.MG_GRAM_DISTANCES : merganser.MG_GRAM_PRODUCTS,
              x.rows(),
              x.columns(),
              call.in(x.block()),
              x.ld(),
              call.outDoubles(out)));
    }
  }

  /** In place: {@code H k H}, or the U-centred matrix. */
  public void centre(boolean unbiased, long n, Block k) {
    try (Call call = context.enter()) {
      DoublePointer both = call.inOutDoubles(k);
      int centring = unbiased ? merganser.MG_CENTRE_UNBIASED : merganser.MG_CENTRE_BIASED;
      call.check(merganser.mg_centre_gram(call.context(), centring, n, both, both));
    }
  }

  /** The strict upper triangle of the U-centred matrix. */
  public void pack(long n, Block k, Block out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_centre_gram(
              call.context(),
              merganser.MG_CENTRE_PACKED,
              n,
              call.inDoubles(k),
              call.outDoubles(out)));
    }
  }

  /**
   * For each of {@code x}, [n x width] of one type, a row of {@code out}: what {@link #pack} makes
   * of its products.
   */
  public void rows(int dtype, int precision, long n, long[] widths, Block[] x, MatrixBlock out) {
    Kernels.requireLength("widths", widths.length, x.length);
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_gram_rows(
              call.context(),
              dtype,
              precision,
              x.length,
              n,
              call.list(widths),
              call.ins(x),
              call.outDoubles(out.block()),
              out.ld()));
    }
  }

  /** {@code d = exp(-gamma d)}. */
  public void gaussian(long count, double gamma, Block d) {
    try (Call call = context.enter()) {
      call.check(merganser.mg_gaussian(call.context(), count, gamma, call.inOutDoubles(d)));
    }
  }

  /** {@code sum_ij k[i, j] l[p(i), p(j)]} for each p, n indices one after the other. */
  public double[] permutedProducts(long n, Block k, Block l, int[] permutations, int count) {
    Kernels.requireLength("permutations", permutations.length, n * count);
    double[] sums = new double[count];
    try (Call call = context.enter()) {
      DoublePointer list = call.list(sums);
      call.check(
          merganser.mg_permuted_products(
              call.context(),
              n,
              call.inDoubles(k),
              call.inDoubles(l),
              count,
              call.list(permutations),
              list));
      list.get(sums);
    }
    return sums;
  }
}
