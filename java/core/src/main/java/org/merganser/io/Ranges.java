// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/** Parts of tensors: what readings of ranges share. */
final class Ranges {
  private Ranges() {}

  /** Throws unless the range lies in the tensor and {@code into} can receive it. */
  static void check(String name, TensorInfo info, long from, long to, Tensor into) {
    if (from < 0 || to < from || to > info.size()) {
      throw new IllegalArgumentException(
          "elements " + from + " to " + to + " of " + Names.quote(name) + " " + info);
    }
    if (into.dtype() != info.dtype() || into.size() != to - from) {
      throw new ShapeException(
          "target of elements "
              + from
              + " to "
              + to
              + " of "
              + Names.quote(name)
              + " "
              + info
              + " is "
              + into);
    }
    info.dtype().bytes(from);
  }

  /** The shape of some rows. */
  static long[] rows(String name, TensorInfo info, long from, long to) {
    if (info.rank() == 0 || from < 0 || to < from || to > info.dim(0)) {
      throw new IllegalArgumentException(
          "rows " + from + " to " + to + " of " + Names.quote(name) + " " + info);
    }
    long[] part = info.dims();
    part[0] = to - from;
    return part;
  }

  /** Elements of a tensor as a vector that shares their memory. */
  static Tensor part(Tensor tensor, long from, long to) {
    long begin = tensor.dtype().bytes(from);
    long length = tensor.dtype().bytes(to) - begin;
    return Tensor.over(tensor.memory().slice(begin, length), tensor.dtype(), to - from);
  }
}
