// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.error.ShapeException;

/** Tensors across the border, without copying. */
public final class Bridge {
  private Bridge() {}

  /** A torch view of ours; the caller keeps ours reachable and open as long as the view lives. */
  public static Tensor share(org.merganser.linalg.Tensor tensor) {
    if (tensor.size() == 0) {
      return torch.empty(tensor.shape(), options(tensor.dtype()), null);
    }
    return torch.from_blob(new Address(tensor.address()), tensor.shape(), options(tensor.dtype()));
  }

  /** Our view of a contiguous CPU tensor, which must stay open as long as the view is used. */
  public static org.merganser.linalg.Tensor view(Tensor dense) {
    long[] shape = new long[Math.toIntExact(dense.dim())];
    for (int axis = 0; axis < shape.length; axis++) {
      shape[axis] = dense.size(axis);
    }
    // An empty tensor has no storage.
    long address = dense.numel() == 0 ? 0 : dense.data_ptr().address();
    return org.merganser.linalg.Tensor.wrap(
        address, dtype(dense.scalar_type()), shape, Device.HOST, dense);
  }

  /** Some samples of inputs [samples x ...]; a new tensor. */
  public static Tensor rows(Tensor inputs, int... samples) {
    long[] rows = new long[samples.length];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = samples[i];
    }
    return inputs.index_select(0, torch.tensor(rows));
  }

  private static TensorOptions options(DType dtype) {
    return new TensorOptions(
        switch (dtype) {
          case F64 -> ScalarType.Double;
          case F32 -> ScalarType.Float;
          case F16 -> ScalarType.Half;
          case BF16 -> ScalarType.BFloat16;
          case I64 -> ScalarType.Long;
          default -> throw new ShapeException(dtype + " tensors are not passed to libtorch");
        });
  }

  private static DType dtype(ScalarType type) {
    return switch (type.intern()) {
      case Double -> DType.F64;
      case Float -> DType.F32;
      case Half -> DType.F16;
      case BFloat16 -> DType.BF16;
      case Long -> DType.I64;
      default -> throw new ShapeException("libtorch tensors of type " + type + " are not read");
    };
  }

  private static final class Address extends Pointer {
    Address(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }
}
