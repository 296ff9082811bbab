// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.internal.kernel.TensorKernels;
import org.merganser.internal.kernel.TensorKernels.Axis;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.Role;

/** Applies a feature map along one axis of a tensor, on the output or the input side. */
final class MapAxis {
  private MapAxis() {}

  /** A new tensor; what the binding does not cover is copied. */
  static Tensor apply(FeatureMap map, BoundAxis bound, Tensor tensor, Workspace ws) {
    int axis = bound.binding().axis();
    long repeat = bound.binding().block().repeat();
    long outer = 1;
    long inner = 1;
    for (int a = 0; a < tensor.rank(); a++) {
      if (a < axis) {
        outer *= tensor.dim(a);
      } else if (a > axis) {
        inner *= tensor.dim(a);
      }
    }
    long stride = tensor.dim(axis) * inner;
    long start = bound.binding().block().offset() * inner * tensor.dtype().bytes(1);
    long width = bound.space().width();
    boolean whole = width * repeat == tensor.dim(axis);
    try (Opened opened = new Opened()) {
      Tensor result =
          opened.add(whole ? Tensor.allocate(tensor.dtype(), tensor.shape(), ws) : tensor.on(ws));
      if (tensor.size() > 0) {
        Axis shape = new Axis(outer, width, repeat * inner, width, stride);
        Block in = Block.of(tensor).from(start);
        Block out = Block.of(result).from(start);
        int dtype = tensor.dtype().code();
        TensorKernels kernels = Kernels.of(ws).tensors();
        Role role = bound.binding().role();
        if (map instanceof LinearMap linear) {
          // Input side: V' = V T^-1, so entry r of the axis sums over c with T^-1[c, r].
          boolean input = role == Role.WEIGHT_IN;
          Matrix matrix = input ? linear.inverseMatrix() : linear.matrix();
          kernels.applyDense(
              dtype,
              shape,
              new MatrixBlock(
                  matrix.dtype().code(),
                  matrix.rows(),
                  matrix.columns(),
                  Block.of(matrix.asTensor())),
              input,
              in,
              out);
        } else {
          ScaledPermutation permutation = (ScaledPermutation) map;
          kernels.applyGather(dtype, shape, index(permutation), scales(permutation, role), in, out);
        }
      }
      opened.release();
      return result;
    }
  }

  /** The scale of a normalisation under a dense map by {@link NormRule#spread}. A new tensor. */
  static Tensor spread(LinearMap map, BoundAxis bound, Tensor tensor, Workspace ws) {
    int axis = bound.binding().axis();
    long offset = bound.binding().block().offset();
    long repeat = bound.binding().block().repeat();
    int width = Math.toIntExact(bound.space().width());
    long inner = Tensor.size(Arrays.copyOfRange(tensor.shape(), axis + 1, tensor.rank()));
    long stride = tensor.dim(axis) * inner;
    long groups = repeat * inner;
    double[][] squares;
    try (Matrix host = map.matrix().toHost(ws)) {
      squares = host.toArray();
    }
    for (double[] row : squares) {
      for (int c = 0; c < width; c++) {
        row[c] *= row[c];
      }
    }
    double[] scale = new double[width];
    try (Tensor wide = tensor.to(DType.F64, ws);
        Tensor exact = wide.toHost(ws)) {
      for (long start = offset * inner; start < exact.size(); start += stride) {
        for (long k = 0; k < groups; k++) {
          for (int c = 0; c < width; c++) {
            scale[c] = exact.get(start + c * groups + k);
          }
          for (int r = 0; r < width; r++) {
            exact.set(start + r * groups + k, spread(squares[r], scale));
          }
        }
      }
      return exact.to(tensor.dtype(), ws);
    }
  }

  private static double spread(double[] squares, double[] scale) {
    double variance = 0;
    double sign = 0;
    for (int c = 0; c < scale.length; c++) {
      variance += squares[c] * scale[c] * scale[c];
      sign += squares[c] * scale[c];
    }
    return sign < 0 ? -Math.sqrt(variance) : Math.sqrt(variance);
  }

  private static long[] index(ScaledPermutation map) {
    int[] permutation = map.permutation();
    long[] index = new long[permutation.length];
    for (int r = 0; r < index.length; r++) {
      index[r] = permutation[r];
    }
    return index;
  }

  /** Null for a plain permutation, so that the bits are copied. */
  private static double[] scales(ScaledPermutation map, Role role) {
    if (map.isPlain()) {
      return null;
    }
    double[] scales = map.scales();
    for (int r = 0; r < scales.length; r++) {
      if (role == Role.WEIGHT_IN) {
        scales[r] = 1 / scales[r];
      } else if (role == Role.RUNNING_VAR) {
        scales[r] *= scales[r];
      } else if (role == Role.NORM_SCALE) {
        // What is normalised has changed its sign already.
        scales[r] = Math.abs(scales[r]);
      }
    }
    return scales;
  }
}
