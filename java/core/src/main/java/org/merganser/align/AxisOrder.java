// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.TensorKernels.Axis;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.Binding;

/**
 * Another order of the entries of an axis: entry e is entry {@code index[e]} of the tensor given.
 */
final class AxisOrder {
  private final int axis;
  private final long[] index;

  private AxisOrder(int axis, long[] index) {
    this.axis = axis;
    this.index = index;
  }

  /**
   * The entries of blocks first, those of the first block before those of the next and feature by
   * feature, then what none of them covers.
   *
   * @param size of the axis
   */
  static AxisOrder together(List<BoundAxis> blocks, long size) {
    long[] index = new long[Math.toIntExact(size)];
    boolean[] taken = new boolean[index.length];
    int next = 0;
    for (BoundAxis bound : blocks) {
      Binding.Block block = bound.binding().block();
      for (long f = 0; f < bound.space().width(); f++) {
        for (long k = 0; k < block.repeat(); k++) {
          long entry = block.offset() + f * block.stride() + k;
          taken[Math.toIntExact(entry)] = true;
          index[next++] = entry;
        }
      }
    }
    for (int entry = 0; entry < taken.length; entry++) {
      if (!taken[entry]) {
        index[next++] = entry;
      }
    }
    return new AxisOrder(blocks.get(0).binding().axis(), index);
  }

  /** Back again. */
  AxisOrder inverse() {
    long[] back = new long[index.length];
    for (int entry = 0; entry < back.length; entry++) {
      back[Math.toIntExact(index[entry])] = entry;
    }
    return new AxisOrder(axis, back);
  }

  /** A new tensor with the same bits. */
  Tensor apply(Tensor tensor, Workspace ws) {
    long[] shape = tensor.shape();
    long outer = Tensor.size(Arrays.copyOf(shape, axis));
    long inner = Tensor.size(Arrays.copyOfRange(shape, axis + 1, shape.length));
    try (Opened opened = new Opened()) {
      Tensor result = opened.add(Tensor.allocate(tensor.dtype(), shape, ws));
      if (tensor.size() > 0) {
        Axis along = new Axis(outer, index.length, inner, index.length, index.length * inner);
        Kernels.of(ws)
            .tensors()
            .applyGather(
                tensor.dtype().code(), along, index, null, Block.of(tensor), Block.of(result));
      }
      opened.release();
      return result;
    }
  }
}
