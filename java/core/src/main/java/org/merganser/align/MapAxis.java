// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.internal.kernel.TensorKernels;
import org.merganser.internal.kernel.TensorKernels.Axis;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.Binding;
import org.merganser.model.Role;

/**
 * Applies a feature map along one axis of a tensor, on the output or the input side. The kernels
 * take features that follow one another; where a block has gaps, the axis is put in another order
 * for them and back.
 */
final class MapAxis {
  private MapAxis() {}

  /**
   * A new tensor of the same shape; what the binding does not cover is copied.
   *
   * @param rule what becomes of the scales of normalisations
   */
  static Tensor apply(FeatureMap map, NormRule rule, BoundAxis bound, Tensor tensor, Workspace ws) {
    Binding.Block block = bound.binding().block();
    if (block.isDense() || bound.space().width() == 1) {
      return applyDense(map, rule, bound, block.offset(), tensor, ws);
    }
    AxisOrder order = AxisOrder.together(List.of(bound), tensor.dim(bound.binding().axis()));
    try (Tensor together = order.apply(tensor, ws);
        Tensor mapped = applyDense(map, rule, bound, 0, together, ws)) {
      return order.inverse().apply(mapped, ws);
    }
  }

  private static Tensor applyDense(
      FeatureMap map, NormRule rule, BoundAxis bound, long offset, Tensor tensor, Workspace ws) {
    long covered = bound.space().width() * bound.binding().block().repeat();
    try (Opened opened = new Opened()) {
      Tensor result =
          opened.add(
              covered == tensor.dim(bound.binding().axis())
                  ? Tensor.allocate(tensor.dtype(), tensor.shape(), ws)
                  : tensor.on(ws));
      write(map, rule, bound, tensor, offset, result, offset, ws);
      opened.release();
      return result;
    }
  }

  /**
   * Maps the features that start at entry {@code from} of the axis, one after the other, into those
   * that start at entry {@code to} of the result, whose other axes are the same.
   */
  static void write(
      FeatureMap map,
      NormRule rule,
      BoundAxis bound,
      Tensor tensor,
      long from,
      Tensor result,
      long to,
      Workspace ws) {
    if (tensor.size() == 0 || result.size() == 0) {
      return;
    }
    Role role = bound.binding().role();
    int axis = bound.binding().axis();
    long[] shape = tensor.shape();
    long inner = Tensor.size(Arrays.copyOfRange(shape, axis + 1, shape.length));
    Axis along =
        new Axis(
            Tensor.size(Arrays.copyOf(shape, axis)),
            map.width(),
            bound.binding().block().repeat() * inner,
            map.referenceWidth(),
            shape[axis] * inner,
            result.dim(axis) * inner);
    if (role == Role.NORM_SCALE && Side.isDense(map) && rule instanceof NormRule.Spread) {
      spread(map, along, tensor, from * inner, result, to * inner, ws);
      return;
    }
    Block in = Block.of(tensor).from(tensor.dtype().bytes(from * inner));
    Block out = Block.of(result).from(result.dtype().bytes(to * inner));
    int dtype = tensor.dtype().code();
    TensorKernels kernels = Kernels.of(ws).tensors();
    Side side = Side.of(role);
    Optional<Matrix> dense = side.of(map);
    if (dense.isPresent()) {
      // Input side: V' = V S, so entry r of the axis sums over c with S[c, r].
      kernels.applyDense(dtype, along, natives(dense.get()), side == Side.IN, in, out);
    } else {
      kernels.applyGather(dtype, along, index(map), scales(map, role), in, out);
    }
  }

  /**
   * {@link NormRule#spread}. The two sums over the map are kernels; what is left on the host is one
   * pass over the scales.
   */
  private static void spread(
      FeatureMap map, Axis along, Tensor tensor, long from, Tensor result, long to, Workspace ws) {
    Matrix matrix = Side.OUT.of(map).orElseThrow();
    double[] scale = new double[Math.toIntExact(map.width())];
    try (Tensor given = wideOnHost(tensor, ws);
        Tensor found = wideOnHost(result, ws)) {
      for (long o = 0; o < along.outer(); o++) {
        for (long k = 0; k < along.inner(); k++) {
          for (int c = 0; c < scale.length; c++) {
            scale[c] = given.get(from + o * along.inStride() + c * along.inner() + k);
          }
          double[] spread = spread(matrix, scale, ws);
          for (int r = 0; r < spread.length; r++) {
            found.set(to + o * along.outStride() + r * along.inner() + k, spread[r]);
          }
        }
      }
      result.convertFrom(found, ws);
    }
  }

  private static Tensor wideOnHost(Tensor tensor, Workspace ws) {
    try (Tensor wide = tensor.to(DType.F64, ws)) {
      return wide.toHost(ws);
    }
  }

  /** {@code s sqrt((T o T) g^2)}, s the sign of {@code (T o T) g}. */
  private static double[] spread(Matrix map, double[] scale, Workspace ws) {
    try (Matrix scaled = scaledColumns(map, scale, ws)) {
      double[] variance = LinAlg.rowProducts(scaled, scaled, ws);
      double[] sign = LinAlg.rowProducts(scaled, map, ws);
      double[] spread = new double[variance.length];
      for (int r = 0; r < spread.length; r++) {
        spread[r] = Math.copySign(Math.sqrt(variance[r]), sign[r] < 0 ? -1 : 1);
      }
      return spread;
    }
  }

  /** {@code T diag(g)}. */
  private static Matrix scaledColumns(Matrix map, double[] scale, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix scaled = opened.add(Matrix.allocate(map.rows(), map.columns(), ws));
      Axis columns = new Axis(map.rows(), scale.length, 1, scale.length, scale.length);
      Kernels.of(ws)
          .tensors()
          .applyGather(
              DType.F64.code(),
              columns,
              LongStream.range(0, scale.length).toArray(),
              scale,
              Block.of(map.asTensor()),
              Block.of(scaled.asTensor()));
      opened.release();
      return scaled;
    }
  }

  private static MatrixBlock natives(Matrix matrix) {
    return new MatrixBlock(
        matrix.dtype().code(), matrix.rows(), matrix.columns(), Block.of(matrix.asTensor()));
  }

  private static long[] index(FeatureMap map) {
    return map instanceof ScaledPermutation permutation
        ? Arrays.stream(permutation.permutation()).asLongStream().toArray()
        : LongStream.range(0, map.width()).toArray();
  }

  /** Null for a plain permutation, so that the bits are copied. */
  private static double[] scales(FeatureMap map, Role role) {
    if (!(map instanceof ScaledPermutation permutation) || permutation.isPlain()) {
      return null;
    }
    double[] scales = permutation.scales();
    for (int r = 0; r < scales.length; r++) {
      switch (role) {
        case WEIGHT_IN -> scales[r] = 1 / scales[r];
        case RUNNING_VAR -> scales[r] *= scales[r];
        // What is normalised has changed its sign already.
        case NORM_SCALE -> scales[r] = Math.abs(scales[r]);
        default -> {}
      }
    }
    return scales;
  }
}
