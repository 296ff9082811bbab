// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.List;
import java.util.stream.LongStream;
import org.merganser.compute.DType;
import org.merganser.linalg.Tensor;

/**
 * Type and shape of a stored tensor.
 *
 * @param dtype element type
 * @param shape sizes, row-major; empty for a scalar
 */
public record TensorInfo(DType dtype, List<Long> shape) {

  public TensorInfo {
    shape = List.copyOf(shape);
  }

  public static TensorInfo of(DType dtype, long... shape) {
    return new TensorInfo(dtype, LongStream.of(shape).boxed().toList());
  }

  public static TensorInfo of(Tensor tensor) {
    return of(tensor.dtype(), tensor.shape());
  }

  /** The shape as an array. */
  public long[] dims() {
    long[] dims = new long[shape.size()];
    for (int axis = 0; axis < dims.length; axis++) {
      dims[axis] = shape.get(axis);
    }
    return dims;
  }

  public int rank() {
    return shape.size();
  }

  public long dim(int axis) {
    return shape.get(axis);
  }

  /** Number of elements. */
  public long size() {
    return Tensor.size(dims());
  }

  public long bytes() {
    return dtype.bytes(size());
  }

  @Override
  public String toString() {
    return Tensor.describe(dtype, dims());
  }
}
