// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Two models whose weights are compared, with canonical names. Everything is read as rows that lie
 * in the residual stream: of what writes to it (output and down projections) the columns.
 *
 * @param dtype in which they are compared, F64 or F32
 */
record WeightPair(Checkpoint source, Checkpoint target, TransformerConfig config, DType dtype) {
  /** In F64 where both models are, else in F32. */
  static WeightPair of(Checkpoint source, Checkpoint target, TransformerConfig config) {
    boolean wide = has(source, DType.F64) && has(target, DType.F64);
    DType dtype = wide ? DType.F64 : DType.F32;
    return new WeightPair(source.as(dtype), target.as(dtype), config, dtype);
  }

  private static boolean has(Checkpoint checkpoint, DType dtype) {
    return checkpoint.tensors().values().stream().anyMatch(info -> info.dtype() == dtype);
  }

  boolean has(String name) {
    return target.tensors().containsKey(name);
  }

  /** Rows of both models, the target's first. */
  record Both(Matrix target, Matrix source) implements AutoCloseable {
    Matrix[] pair() {
      return new Matrix[] {target, source};
    }

    Both moved(Stream stream, Workspace ws) {
      return new Both(target, stream.moved(source, ws));
    }

    @Override
    public void close() {
      target.close();
      source.close();
    }
  }

  /** Rows of a projection that reads the stream, each with its bias as one number more. */
  Both reading(String projection, Workspace ws) throws IOException {
    Matrix first = reading(target, "target", projection, ws);
    try {
      return new Both(first, reading(source, "source", projection, ws));
    } catch (IOException | RuntimeException e) {
      first.close();
      throw e;
    }
  }

  /** Columns of a projection that writes to the stream, as rows; without its bias. */
  Both writing(String projection, Workspace ws) throws IOException {
    Matrix first = writing(target, "target", projection, ws);
    try {
      return new Both(first, writing(source, "source", projection, ws));
    } catch (IOException | RuntimeException e) {
      first.close();
      throw e;
    }
  }

  /** A matrix as it is. */
  Both matrices(String name, Workspace ws) throws IOException {
    return new Both(matrix(target, "target", name, ws), matrix(source, "source", name, ws));
  }

  private Matrix reading(Checkpoint model, String which, String projection, Workspace ws)
      throws IOException {
    Matrix weight = matrix(model, which, projection + ".weight", ws);
    if (!has(projection + ".bias")) {
      return weight;
    }
    double[] bias = vector(model, which, projection + ".bias", ws);
    try (weight) {
      Matrix wide = Matrix.of(Tensor.allocate(dtype, weight.rows(), weight.columns() + 1));
      Rows rows = Rows.of(weight);
      double[] row = new double[rows.width() + 1];
      for (int i = 0; i < rows.count(); i++) {
        rows.read(i, row);
        row[rows.width()] = bias[i];
        Rows.write(wide, i, row);
      }
      return wide;
    }
  }

  private Matrix writing(Checkpoint model, String which, String projection, Workspace ws)
      throws IOException {
    try (Matrix weight = matrix(model, which, projection + ".weight", ws);
        Matrix transposed = LinAlg.transpose(weight, ws)) {
      return transposed.toHost(ws);
    }
  }

  private Matrix matrix(Checkpoint model, String which, String name, Workspace ws)
      throws IOException {
    return Matrix.of(finite(model.read(name, ws), 0, which, name, ws));
  }

  /** A part of a matrix whose rows lie in the stream. */
  Both rows(String name, long from, long to, Workspace ws) throws IOException {
    return new Both(
        rows(target, "target", name, from, to, ws), rows(source, "source", name, from, to, ws));
  }

  private Matrix rows(Checkpoint model, String which, String name, long from, long to, Workspace ws)
      throws IOException {
    long width = model.info(name).dim(1);
    Tensor part = Tensor.allocate(dtype, to - from, width);
    model.readRows(name, from, to, part, ws);
    return Matrix.of(finite(part, from * width, which, name, ws));
  }

  /** A vector of both models, the target's first. */
  double[][] vectors(String name, Workspace ws) throws IOException {
    return new double[][] {vector(target, "target", name, ws), vector(source, "source", name, ws)};
  }

  private static double[] vector(Checkpoint model, String which, String name, Workspace ws)
      throws IOException {
    try (Tensor tensor = finite(model.read(name, ws), 0, which, name, ws)) {
      return tensor.toDoubleArray();
    }
  }

  /** Returns the tensor, or closes it and says where it is not finite. */
  private static Tensor finite(Tensor tensor, long first, String which, String name, Workspace ws) {
    long[] found =
        Kernels.of(ws).tensors().nonFinite(tensor.dtype().code(), tensor.size(), Block.of(tensor));
    if (found[0] == 0) {
      return tensor;
    }
    double value = tensor.get(found[1]);
    tensor.close();
    throw new NumericalException(
        "tensor \"%s\" of the %s is not finite: element %d is %s, of %d such%s; a model with them has"
                .formatted(
                    name,
                    which,
                    first + found[1],
                    value,
                    found[0],
                    first > 0 ? " in the part that was read" : "")
            + " no distance to another and is not aligned");
  }

  static double squaredDistance(double[][] vectors) {
    double[] difference = new double[vectors[0].length];
    Arrays.setAll(difference, i -> vectors[0][i] - vectors[1][i]);
    return Rows.dot(difference, difference);
  }
}
