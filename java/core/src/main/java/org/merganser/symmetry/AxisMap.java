// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.internal.kernel.TensorKernels;
import org.merganser.internal.kernel.TensorKernels.Axis;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * What becomes of the entries of one axis: y = B D x[index], a gather, then factors, then products
 * with matrices of neighbouring entries.
 */
final class AxisMap {
  static final AxisMap IDENTITY = new AxisMap(null, null, 1, null);

  /** Null for the order they have. */
  private final int[] index;

  /** Null for all 1. */
  private final double[] scale;

  private final int block;

  /** Null where nothing is mixed. */
  private final Mixing mixed;

  /**
   * Products with matrices, which are formed when they are used: views are kept for as long as a
   * model is read, and together those of all heads of all layers are large.
   *
   * @param whole the one matrix, which is not closed; null for squares
   * @param squares row-major, by the number of a block
   * @param group neighbouring blocks that have one square
   * @param plain blocks that are not mixed
   */
  private record Mixing(Matrix whole, IntFunction<double[]> squares, int group, BitSet plain) {}

  private AxisMap(int[] index, double[] scale, int block, Mixing mixed) {
    this.index = index == null || isOrder(index) ? null : index;
    this.scale = scale == null || Arrays.stream(scale).allMatch(each -> each == 1) ? null : scale;
    this.block = block;
    this.mixed = mixed;
  }

  /**
   * {@code y_i = scale_i x_{index_i}}.
   *
   * @param scale null for all 1
   */
  static AxisMap gather(int[] index, double[] scale) {
    return new AxisMap(index, scale, 1, null);
  }

  /** {@code y_i = scale_i x_i}; an empty array for all 1. */
  static AxisMap scale(double[] scale) {
    return scale.length == 0 ? IDENTITY : new AxisMap(null, scale, 1, null);
  }

  /** {@code y = matrix x}. */
  static AxisMap dense(Matrix matrix) {
    Mixing whole = new Mixing(matrix, null, 1, new BitSet());
    return new AxisMap(null, null, (int) matrix.rows(), whole);
  }

  /**
   * Heads: {@code y_b = square_b x_{sources_b}}, where a square that only moves and scales is a
   * gather.
   *
   * @param group neighbouring heads that have one square
   * @param squares row-major, an empty one for the identity; asked again when it is used
   */
  static AxisMap heads(int size, int[] sources, int group, IntFunction<double[]> squares) {
    int[] index = new int[size * sources.length];
    double[] scale = new double[index.length];
    BitSet plain = new BitSet();
    double[] square = null;
    int[] monomial = null;
    for (int b = 0; b < sources.length; b++) {
      if (b % group == 0) {
        square = squares.apply(b / group);
        monomial = monomial(size, square);
      }
      plain.set(b, monomial != null);
      for (int i = 0; i < size; i++) {
        int from = monomial == null ? i : monomial[i];
        index[b * size + i] = sources[b] * size + from;
        boolean one = monomial == null || square.length == 0;
        scale[b * size + i] = one ? 1 : square[i * size + from];
      }
    }
    return plain.cardinality() == sources.length
        ? new AxisMap(index, scale, 1, null)
        : new AxisMap(index, scale, size, new Mixing(null, squares, group, plain));
  }

  /** The one entry of each row that is not 0; null when there are more. */
  private static int[] monomial(int size, double[] square) {
    if (square.length == 0) {
      return IntStream.range(0, size).toArray();
    }
    int[] entries = new int[size];
    for (int i = 0; i < size; i++) {
      int found = -1;
      for (int j = 0; j < size; j++) {
        if (square[i * size + j] != 0) {
          if (found >= 0) {
            return null;
          }
          found = j;
        }
      }
      entries[i] = found;
    }
    return entries;
  }

  private static boolean isOrder(int[] index) {
    for (int i = 0; i < index.length; i++) {
      if (index[i] != i) {
        return false;
      }
    }
    return true;
  }

  boolean isIdentity() {
    return index == null && isGather();
  }

  /** Whether entries are only moved. */
  boolean isGather() {
    return scale == null && mixed == null;
  }

  /** Whether results are rounded: not where entries are moved or change their sign. */
  boolean rounds() {
    return mixed != null
        || scale != null && !Arrays.stream(scale).allMatch(each -> Math.abs(each) == 1);
  }

  /** Whether entries are in another order. */
  boolean moves() {
    return index != null;
  }

  /** Entries that are computed together. */
  int block() {
    return block;
  }

  /** From where entry i comes. */
  int source(int i) {
    return index == null ? i : index[i];
  }

  /**
   * Entries from {@code first} on of the last axis of {@code x} [n, width], mapped: a new tensor
   * [n, count].
   */
  Tensor columns(Tensor x, int first, int count, boolean scaled, Workspace ws) {
    long n = x.dim(0);
    Tensor result = Tensor.allocate(x.dtype(), new long[] {n, count}, ws);
    long[] from = new long[count];
    Arrays.setAll(from, i -> source(first + i));
    double[] factors =
        scaled && scale != null ? Arrays.copyOfRange(scale, first, first + count) : null;
    gather(new Axis(n, x.dim(1), 1, count, x.dim(1), count), from, factors, x, result, ws);
    return result;
  }

  /** Factors of columns that were taken before; a new tensor, or {@code x} itself. */
  Tensor scaledColumns(Tensor x, int first, Workspace ws) {
    if (scale == null) {
      return x;
    }
    int count = (int) x.dim(1);
    Tensor result = Tensor.allocate(x.dtype(), x.shape(), ws);
    double[] factors = Arrays.copyOfRange(scale, first, first + count);
    long[] same = IntStream.range(0, count).asLongStream().toArray();
    gather(new Axis(x.dim(0), count, 1, count, count), same, factors, x, result, ws);
    return replaced(x, result);
  }

  /** Factors of rows that were taken before; a new tensor, or {@code x} itself. */
  Tensor scaledRows(Tensor x, int first, Workspace ws) {
    if (scale == null) {
      return x;
    }
    int count = (int) x.dim(0);
    return replaced(x, x.scaledRows(Arrays.copyOfRange(scale, first, first + count), ws));
  }

  /** Products of neighbouring columns, whole blocks; a new tensor, or {@code x} itself. */
  Tensor mixedColumns(Tensor x, int first, Workspace ws) {
    long width = x.dim(1);
    return mixed == null
        ? x
        : mix(x, first, width, 1, new Axis(x.dim(0), block, 1, block, width), ws);
  }

  /** Products of neighbouring rows, whole blocks; a new tensor, or {@code x} itself. */
  Tensor mixedRows(Tensor x, int first, Workspace ws) {
    long width = x.dim(1);
    return mixed == null
        ? x
        : mix(x, first, x.dim(0), width, new Axis(1, block, width, block, block * width), ws);
  }

  private Tensor mix(Tensor x, int first, long entries, long step, Axis axis, Workspace ws) {
    Tensor result = Tensor.allocate(x.dtype(), x.shape(), ws);
    int dtype = x.dtype().code();
    TensorKernels kernels = Kernels.of(ws).tensors();
    long[] same = IntStream.range(0, block).asLongStream().toArray();
    try (Square square = new Square()) {
      for (int e = 0; e < entries; e += block) {
        Block in = Block.of(x).from(x.dtype().bytes(e * step));
        Block out = Block.of(result).from(x.dtype().bytes(e * step));
        int number = (first + e) / block;
        if (mixed.plain().get(number)) {
          kernels.applyGather(dtype, axis, same, null, in, out);
        } else {
          kernels.applyDense(dtype, axis, natives(square.of(number)), false, in, out);
        }
      }
    }
    return replaced(x, result);
  }

  /** The matrix of a block, formed once for those that have the same. */
  private final class Square implements AutoCloseable {
    private int formed = -1;
    private Matrix matrix;

    Matrix of(int number) {
      if (mixed.whole() != null) {
        return mixed.whole();
      }
      if (formed != number / mixed.group()) {
        close();
        formed = number / mixed.group();
        matrix = Matrix.of(Tensor.of(mixed.squares().apply(formed), block, block));
      }
      return matrix;
    }

    @Override
    public void close() {
      if (matrix != null) {
        matrix.close();
        matrix = null;
      }
    }
  }

  private static MatrixBlock natives(Matrix matrix) {
    return new MatrixBlock(
        matrix.dtype().code(), matrix.rows(), matrix.columns(), Block.of(matrix.asTensor()));
  }

  private static void gather(
      Axis axis, long[] from, double[] factors, Tensor in, Tensor out, Workspace ws) {
    Kernels.of(ws)
        .tensors()
        .applyGather(in.dtype().code(), axis, from, factors, Block.of(in), Block.of(out));
  }

  /** Rows of a whole tensor that become those from {@code first} on, bit by bit. */
  static void gatherRows(
      Tensor whole, AxisMap rows, int first, int count, long width, Tensor into, Workspace ws) {
    long[] from = new long[count];
    Arrays.setAll(from, i -> rows.source(first + i));
    Axis axis = new Axis(1, whole.dim(0), width, count, whole.size(), into.size());
    gather(axis, from, null, whole, into, ws);
  }

  /** Copies [n, count] into the columns from {@code first} on of a wider one. */
  static void intoColumns(Tensor part, Tensor wide, int first, Workspace ws) {
    long count = part.dim(1);
    long[] same = IntStream.range(0, (int) count).asLongStream().toArray();
    Axis axis = new Axis(part.dim(0), count, 1, count, count, wide.dim(1));
    Kernels.of(ws)
        .tensors()
        .applyGather(
            part.dtype().code(),
            axis,
            same,
            null,
            Block.of(part),
            Block.of(wide).from(wide.dtype().bytes(first)));
  }

  private static Tensor replaced(Tensor old, Tensor next) {
    old.close();
    return next;
  }
}
