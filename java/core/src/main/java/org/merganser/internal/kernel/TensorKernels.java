// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.natives.global.merganser;

/** Feature maps along an axis, conversion, and checks of elements. */
public final class TensorKernels {
  private final Context context;

  TensorKernels(Context context) {
    this.context = context;
  }

  /**
   * A tensor seen as [outer x axis x inner], the axis of {@code in} entries becoming one of {@code
   * out}, and elements between two outer slices before and after.
   */
  public record Axis(long outer, long in, long inner, long out, long inStride, long outStride) {
    /** As many elements between outer slices on both sides. */
    public Axis(long outer, long in, long inner, long out, long stride) {
      this(outer, in, inner, out, stride, stride);
    }
  }

  /** {@code map} is applied transposed or as it is; the type is that of the tensor. */
  public void applyDense(
      int dtype, Axis axis, MatrixBlock map, boolean transpose, Block in, Block out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_apply_dense(
              call.context(),
              dtype,
              axis.outer(),
              axis.in(),
              axis.inner(),
              axis.out(),
              call.inDoubles(map.block()),
              map.ld(),
              transpose ? 1 : 0,
              call.in(in),
              axis.inStride(),
              call.inOut(out),
              axis.outStride()));
    }
  }

  /** {@code scale} may be null: the bits are copied as they are. */
  public void applyGather(int dtype, Axis axis, long[] index, double[] scale, Block in, Block out) {
    Kernels.requireLength("index", index.length, axis.out());
    Kernels.requireLength("scale", scale == null ? axis.out() : scale.length, axis.out());
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_apply_gather(
              call.context(),
              dtype,
              axis.outer(),
              axis.in(),
              axis.inner(),
              axis.out(),
              index,
              scale,
              call.in(in),
              axis.inStride(),
              call.inOut(out),
              axis.outStride()));
    }
  }

  /** Returns how many finite values became infinite. */
  public long convert(int from, int to, long count, Block in, Block out) {
    long[] overflowed = new long[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_convert(
              call.context(), from, to, count, call.in(in), call.out(out), overflowed));
    }
    return overflowed[0];
  }

  /** Returns {number of non-finite values, index of the first or -1}. */
  public long[] nonFinite(int dtype, long count, Block in) {
    long[] number = new long[1];
    long[] first = new long[1];
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_nonfinite_count(call.context(), dtype, count, call.in(in), number, first));
    }
    return new long[] {number[0], first[0]};
  }
}
