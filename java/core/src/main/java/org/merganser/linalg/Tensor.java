// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.stream.LongStream;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Halves;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.BlockHolder;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.TensorKernels.Axis;

/**
 * An n-dimensional array of any {@link DType}, row-major and contiguous, off the heap. A shape
 * {@code []} is a scalar; a 0 among the dimensions makes it empty.
 *
 * <p>Results lie where the Workspace computes that they were made in. Operations take tensors from
 * anywhere: what lies elsewhere is copied for the operation ({@link #on} does so once for many).
 * Elements are read and written on the host ({@link #toHost}).
 *
 * <p>Owned memory is freed by {@link #close} or when nothing refers to it any more.
 */
public final class Tensor extends BlockHolder implements AutoCloseable {
  private final DType dtype;
  private final long[] shape;
  private final long size;
  private final Memory memory;

  private Tensor(DType dtype, long[] shape, Memory memory) {
    this.dtype = dtype;
    this.shape = shape;
    this.size = size(shape);
    this.memory = memory;
    if (memory.bytes() < dtype.bytes(size)) {
      throw new ShapeException(
          describe(dtype, shape) + " needs " + dtype.bytes(size) + " bytes, not " + memory.bytes());
    }
  }

  /** On the host, not initialised. */
  public static Tensor allocate(DType dtype, long... shape) {
    return new Tensor(dtype, shape.clone(), Memory.allocate(dtype.bytes(size(shape))));
  }

  /** On the host, all zero. */
  public static Tensor zeros(DType dtype, long... shape) {
    Tensor tensor = allocate(dtype, shape);
    tensor.memory.clear();
    return tensor;
  }

  /** Copies {@code values}, row-major, into a new F32 tensor. */
  public static Tensor of(float[] values, long... shape) {
    checkLength(values.length, DType.F32, shape);
    Tensor tensor = allocate(DType.F32, shape);
    tensor.inBulk((buffer, at, n) -> buffer.asFloatBuffer().put(values, at, n));
    return tensor;
  }

  /** Copies {@code values}, row-major, into a new F64 tensor. */
  public static Tensor of(double[] values, long... shape) {
    checkLength(values.length, DType.F64, shape);
    Tensor tensor = allocate(DType.F64, shape);
    tensor.inBulk((buffer, at, n) -> buffer.asDoubleBuffer().put(values, at, n));
    return tensor;
  }

  /** A view of memory; closing the tensor closes the memory. */
  public static Tensor over(Memory memory, DType dtype, long... shape) {
    return new Tensor(dtype, shape.clone(), memory);
  }

  /**
   * Lends the storage of another library; {@code owner} stays reachable as long as the tensor. On a
   * device that library works in the default stream; {@link Memory#wrap(long, long, Device, long,
   * Object)} takes others.
   */
  public static Tensor wrap(long address, DType dtype, long[] shape, Device device, Object owner) {
    return over(Memory.wrap(address, dtype.bytes(size(shape)), device, owner), dtype, shape);
  }

  private static final int BULK = 1 << 26;
  private static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

  public DType dtype() {
    return dtype;
  }

  /** A copy of the shape. */
  public long[] shape() {
    return shape.clone();
  }

  public int rank() {
    return shape.length;
  }

  /** Size of one dimension. */
  public long dim(int axis) {
    if (axis < 0 || axis >= shape.length) {
      throw new ShapeException("axis " + axis + " of " + describe(dtype, shape));
    }
    return shape[axis];
  }

  /** Number of elements. */
  public long size() {
    return size;
  }

  public long bytes() {
    return dtype.bytes(size);
  }

  public Memory memory() {
    return memory;
  }

  /** Address of the first element; see {@link Memory#address}. */
  public long address() {
    return memory.address();
  }

  @Override
  protected Block block() {
    return Block.of(memory);
  }

  /** The same elements under another shape of the same size; shares the memory. */
  public Tensor reshape(long... newShape) {
    if (size(newShape) != size) {
      throw new ShapeException(
          "cannot view " + describe(dtype, shape) + " as " + Arrays.toString(newShape));
    }
    return new Tensor(dtype, newShape.clone(), memory.slice(0, memory.bytes()));
  }

  /** Rows {@code from} (included) to {@code to} (excluded) of the first dimension, as a view. */
  public Tensor rows(long from, long to) {
    if (shape.length == 0 || from < 0 || to < from || to > shape[0]) {
      throw new ShapeException("rows " + from + " to " + to + " of " + describe(dtype, shape));
    }
    long row = shape[0] == 0 ? 0 : size / shape[0];
    long[] part = shape.clone();
    part[0] = to - from;
    Memory rows = memory.slice(dtype.bytes(from * row), dtype.bytes((to - from) * row));
    return new Tensor(dtype, part, rows);
  }

  /** Element at a flat row-major index, for arithmetic types. */
  public double get(long index) {
    checkIndex(index);
    return switch (dtype) {
      case F64 -> memory.getDouble(8 * index);
      case F32 -> memory.getFloat(4 * index);
      case BF16 -> Float.intBitsToFloat(memory.getShort(2 * index) << 16);
      case F16 -> Halves.toFloat(memory.getShort(2 * index));
      default -> throw new ShapeException(dtype + " elements are carried through, not read");
    };
  }

  /** Sets the element at a flat row-major index; F64 and F32 only. */
  public void set(long index, double value) {
    checkIndex(index);
    switch (dtype) {
      case F64 -> memory.putDouble(8 * index, value);
      case F32 -> memory.putFloat(4 * index, (float) value);
      default -> throw new ShapeException("cannot set elements of " + dtype + "; convert first");
    }
  }

  /** The elements as an array; arithmetic types, at most 2^31-9 of them. */
  public float[] toFloatArray() {
    float[] values = new float[arrayLength()];
    if (dtype == DType.F32) {
      inBulk((buffer, at, n) -> buffer.asFloatBuffer().get(values, at, n));
    } else {
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) get(i);
      }
    }
    return values;
  }

  /** The elements as an array; arithmetic types, at most 2^31-9 of them. */
  public double[] toDoubleArray() {
    double[] values = new double[arrayLength()];
    if (dtype == DType.F64) {
      inBulk((buffer, at, n) -> buffer.asDoubleBuffer().get(values, at, n));
    } else {
      for (int i = 0; i < values.length; i++) {
        values[i] = get(i);
      }
    }
    return values;
  }

  /** Elements as bytes, from one on that many. */
  private interface Bulk {
    void use(ByteBuffer buffer, int first, int count);
  }

  /** All elements, of at most 2^31-1, in turn. */
  private void inBulk(Bulk bulk) {
    long width = dtype.bytes(1);
    for (int done = 0; done < size; ) {
      int count = (int) Math.min(size - done, BULK);
      try (Block.View view = view(width * done, (int) width * count)) {
        bulk.use(view.buffer(), done, count);
      }
      done += count;
    }
  }

  private int arrayLength() {
    if (size > LONGEST_ARRAY) {
      throw new ShapeException(describe(dtype, shape) + " has too many elements for an array");
    }
    return (int) size;
  }

  /** Not initialised, on the device of a Workspace. */
  public static Tensor allocate(DType dtype, long[] shape, Workspace ws) {
    return new Tensor(dtype, shape.clone(), Memory.allocate(dtype.bytes(size(shape)), ws));
  }

  /** A copy where a Workspace computes. */
  public Tensor on(Workspace ws) {
    return filled(allocate(dtype, shape, ws), ws);
  }

  /** A copy on the host, whose elements can be read and written. */
  public Tensor toHost(Workspace ws) {
    return filled(allocate(dtype, shape), ws);
  }

  private Tensor filled(Tensor copy, Workspace ws) {
    try (Opened opened = new Opened()) {
      opened.add(copy).copyFrom(this, ws);
      opened.release();
      return copy;
    }
  }

  /** Copies the elements of a tensor of the same type and shape, from whichever device. */
  public void copyFrom(Tensor from, Workspace ws) {
    from.require("source of a copy", dtype, shape);
    memory.slice(0, bytes()).copyFrom(from.memory.slice(0, bytes()), ws);
  }

  /**
   * Sets the elements to those of a tensor of the same shape, rounded to nearest even; both of
   * arithmetic types.
   *
   * @return how many finite values became infinite
   */
  public long convertFrom(Tensor from, Workspace ws) {
    from.require("source of a conversion", from.dtype, shape);
    return Kernels.of(ws)
        .tensors()
        .convert(from.dtype.code(), dtype.code(), size, from.block(), block());
  }

  /** A new tensor of another arithmetic type, rounded to nearest even. */
  public Tensor to(DType other, Workspace ws) {
    try (Opened opened = new Opened()) {
      Tensor result = opened.add(allocate(other, shape, ws));
      result.convertFrom(this, ws);
      opened.release();
      return result;
    }
  }

  /** A new tensor whose row r (first dimension) is that of this one times {@code scales[r]}. */
  public Tensor scaledRows(double[] scales, Workspace ws) {
    if (shape.length == 0 || shape[0] != scales.length) {
      throw new ShapeException(scales.length + " scales for the rows of " + describe(dtype, shape));
    }
    Tensor result = allocate(dtype, shape, ws);
    if (size > 0) {
      long rows = shape[0];
      long[] same = LongStream.range(0, rows).toArray();
      Axis axis = new Axis(1, rows, size / rows, rows, size);
      Kernels.of(ws)
          .tensors()
          .applyGather(dtype.code(), axis, same, scales, block(), result.block());
    }
    return result;
  }

  /** A new vector of an arithmetic type, rounded to nearest even. */
  public static Tensor of(DType dtype, double[] values, Workspace ws) {
    try (Tensor wide = of(values, values.length)) {
      return wide.to(dtype, ws);
    }
  }

  /** A new tensor with the same bytes, both on the host. */
  public Tensor copy() {
    Tensor result = allocate(dtype, shape);
    result.memory.copyFrom(memory.slice(0, bytes()));
    return result;
  }

  /** Whether type, shape and every byte are equal. */
  public boolean sameBytes(Tensor other) {
    if (dtype != other.dtype || !Arrays.equals(shape, other.shape)) {
      return false;
    }
    for (long at = 0; at < bytes(); at += BULK) {
      int length = (int) Math.min(bytes() - at, BULK);
      try (Block.View mine = view(at, length);
          Block.View theirs = other.view(at, length)) {
        if (mine.buffer().mismatch(theirs.buffer()) >= 0) {
          return false;
        }
      }
    }
    return true;
  }

  /** A buffer over at most 2 GiB of the bytes; see {@link Memory#buffer}. */
  public ByteBuffer buffer(long offset, int length) {
    return memory.buffer(offset, length);
  }

  @Override
  protected Block.View view(long offset, int length) {
    return Block.view(memory, offset, length);
  }

  /** Throws unless dtype and shape are those given. */
  public void require(String what, DType wantedType, long... wantedShape) {
    if (dtype != wantedType || !Arrays.equals(shape, wantedShape)) {
      throw new ShapeException(
          what + " is " + describe(dtype, shape) + ", needed " + describe(wantedType, wantedShape));
    }
  }

  @Override
  public void close() {
    memory.close();
  }

  @Override
  public String toString() {
    return describe(dtype, shape);
  }

  /** Such as {@code F32 [128, 64]}. */
  public static String describe(DType dtype, long... shape) {
    return dtype + " " + Arrays.toString(shape);
  }

  /** Number of elements of a shape; refuses negative sizes and overflow. */
  public static long size(long... shape) {
    long product = 1;
    for (long dim : shape) {
      if (dim < 0) {
        throw new ShapeException("negative size in shape " + Arrays.toString(shape));
      }
      try {
        product = Math.multiplyExact(product, dim);
      } catch (ArithmeticException e) {
        throw new ShapeException("shape " + Arrays.toString(shape) + " overflows", e);
      }
    }
    return product;
  }

  private void checkIndex(long index) {
    if (index < 0 || index >= size) {
      throw new IndexOutOfBoundsException("index " + index + " of " + describe(dtype, shape));
    }
  }

  private static void checkLength(long length, DType dtype, long... shape) {
    if (length != size(shape)) {
      throw new ShapeException(length + " values for " + describe(dtype, shape));
    }
  }
}
