// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Memory;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;

/** Tensors across the border, without copying. */
public final class Bridge {
  private Bridge() {}

  /**
   * A torch view of ours, where it lies; the caller keeps ours reachable and open as long as the
   * view lives.
   */
  public static Tensor share(org.merganser.linalg.Tensor tensor) {
    Device device = tensor.memory().device();
    TensorOptions options =
        options(tensor.dtype()).device(new DeviceOptional(Placement.inTorch(device)));
    if (tensor.size() == 0) {
      return torch.empty(tensor.shape(), options, null);
    }
    Block.of(tensor).shareIn(Placement.stream(device), () -> Placement.finish(device));
    return torch.from_blob(new Address(tensor.address()), tensor.shape(), options);
  }

  /** Our view of a contiguous tensor, which must stay open as long as the view is used. */
  public static org.merganser.linalg.Tensor view(Tensor dense) {
    long[] shape = new long[Math.toIntExact(dense.dim())];
    for (int axis = 0; axis < shape.length; axis++) {
      shape[axis] = dense.size(axis);
    }
    // An empty tensor has no storage.
    long address = dense.numel() == 0 ? 0 : dense.data_ptr().address();
    Device device = Placement.of(dense);
    DType dtype = dtype(dense.scalar_type());
    Memory memory =
        Memory.wrap(
            address,
            dtype.bytes(org.merganser.linalg.Tensor.size(shape)),
            device,
            Placement.stream(device),
            dense);
    return org.merganser.linalg.Tensor.over(memory, dtype, shape);
  }

  /** Some samples of inputs [samples x ...]; a new tensor. */
  public static Tensor rows(Tensor inputs, int... samples) {
    long[] rows = new long[samples.length];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = samples[i];
    }
    return inputs.index_select(0, beside(inputs, rows));
  }

  /** Numbers as a new tensor where another one lies. */
  public static Tensor beside(Tensor other, long... numbers) {
    return torch.tensor(numbers).to(other.device(), ScalarType.Long);
  }

  /** Numbers as a new tensor where another one lies, of its type. */
  public static Tensor beside(Tensor other, double[] numbers, long... shape) {
    try (org.merganser.linalg.Tensor ours = org.merganser.linalg.Tensor.of(numbers, shape)) {
      return share(ours)
          .to(other.device(), other.scalar_type(), false, true, new MemoryFormatOptional());
    }
  }

  /** A copy of a contiguous tensor in memory of ours, on the host. */
  public static org.merganser.linalg.Tensor copy(Tensor dense) {
    try (Tensor host = on(Device.HOST, dense);
        org.merganser.linalg.Tensor view = view(host)) {
      return view.copy();
    }
  }

  /** A tensor on a device: itself when it is there already. */
  public static Tensor on(Device device, Tensor tensor) {
    return tensor.to(Placement.inTorch(device), tensor.scalar_type());
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
