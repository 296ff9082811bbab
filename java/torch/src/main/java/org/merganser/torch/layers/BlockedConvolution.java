// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * The one way to a convolution of libtorch: oneDNN is given whole blocks of channels.
 *
 * <p>oneDNN keeps channels in blocks of 16 (AVX-512) or 8 (AVX2), the last one padded. On some
 * machines oneDNN 3.7 (in libtorch 2.10) gets layers with padded blocks wrong, values and gradients
 * by 10 to 50 % or NaN; on others the same binary is right. So channels of zeros are added here and
 * taken away afterwards. That takes 0.9 to 1.5 times what the bare call takes; {@code thnn_conv2d},
 * which does without oneDNN, 2 to 17 times. What is done is the same on every instruction set: it
 * depends on shapes, and for images on whether their gradient is wanted.
 */
final class BlockedConvolution {
  /** The largest block. */
  private static final int BLOCK = 16;

  /**
   * Images (up to three channels) are read as they are, without blocks, unless the kernel is 1 x 1.
   * Only their gradient would come in blocks.
   */
  private static final int IMAGE = 3;

  private BlockedConvolution() {}

  /**
   * {@code y[o, p] = b[o] + sum_(i, q) W[o, i, q] x[i, stride p + q - padding]}, within each group
   * of channels.
   *
   * @param x [samples x in x height x width]
   * @param weight [out x in / groups x kernel x kernel]
   * @param bias [out], or null
   */
  static Tensor apply(
      Tensor x, Tensor weight, Tensor bias, long stride, long padding, long groups) {
    long in = weight.size(1);
    long out = weight.size(0) / groups;
    if (groups > 1 && in == 1 && out == 1) {
      // Its blocks are of groups.
      long more = missing(groups);
      Tensor y =
          convolve(
              padded(x, 1, more),
              padded(weight, 0, more),
              bias == null ? null : padded(bias, 0, more),
              stride,
              padding,
              groups + more);
      return first(y, 1, groups);
    }
    boolean image = groups == 1 && in <= IMAGE && weight.size(2) > 1 && !x.requires_grad();
    long moreIn = image ? 0 : missing(in);
    long moreOut = missing(out);
    Tensor y =
        convolve(
            perGroup(x, 1, groups, moreIn),
            perGroup(padded(weight, 1, moreIn), 0, groups, moreOut),
            bias == null ? null : perGroup(bias, 0, groups, moreOut),
            stride,
            padding,
            groups);
    return moreOut == 0 ? y : first(y.unflatten(1, groups, -1), 2, out).flatten(1, 2);
  }

  private static Tensor convolve(
      Tensor x, Tensor weight, Tensor bias, long stride, long padding, long groups) {
    return torch.conv2d(
        x,
        weight,
        bias == null ? new TensorOptional() : new TensorOptional(bias),
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        groups);
  }

  private static long missing(long channels) {
    return Math.floorMod(-channels, BLOCK);
  }

  /** Zeros at the end of every group of an axis. */
  private static Tensor perGroup(Tensor x, int axis, long groups, long more) {
    return more == 0
        ? x
        : padded(x.unflatten(axis, groups, -1), axis + 1, more).flatten(axis, axis + 1);
  }

  private static Tensor padded(Tensor x, int axis, long more) {
    if (more == 0) {
      return x;
    }
    // Two counts, before and after, for each axis from the last one on.
    long[] counts = new long[2 * Math.toIntExact(x.dim() - axis)];
    counts[counts.length - 1] = more;
    return torch.constant_pad_nd(x, counts, new Scalar(0));
  }

  private static Tensor first(Tensor y, long axis, long count) {
    return y.size(axis) == count ? y : y.narrow(axis, 0, count).contiguous();
  }
}
