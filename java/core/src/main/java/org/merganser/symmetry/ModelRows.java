// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
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
 * The weights of a model, with canonical names, as rows that lie in the residual stream: of what
 * writes to it (output and down projections) the columns. What is not finite is refused where it is
 * read.
 *
 * @param weights in {@code dtype}
 * @param which name of the model in messages
 */
record ModelRows(Checkpoint weights, String which, DType dtype) {

  boolean has(String name) {
    return weights.tensors().containsKey(name);
  }

  /** Of a projection that reads the stream, each row with its bias as one number more. */
  Matrix reading(String projection, Workspace ws) throws IOException {
    Matrix weight = matrix(projection + ".weight", ws);
    if (!has(projection + ".bias")) {
      return weight;
    }
    try (weight) {
      double[] bias = vector(projection + ".bias", ws);
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

  /** Columns of a projection that writes to the stream, without its bias. */
  Matrix writing(String projection, Workspace ws) throws IOException {
    try (Matrix weight = matrix(projection + ".weight", ws);
        Matrix transposed = LinAlg.transpose(weight, ws)) {
      return transposed.toHost(ws);
    }
  }

  /** A matrix as it is. */
  Matrix matrix(String name, Workspace ws) throws IOException {
    return Matrix.of(finite(weights.read(name, ws), 0, name, ws));
  }

  /** A part of a matrix whose rows lie in the stream. */
  Matrix rows(String name, long from, long to, Workspace ws) throws IOException {
    long width = weights.info(name).dim(1);
    Tensor part = Tensor.allocate(dtype, to - from, width);
    weights.readRows(name, from, to, part, ws);
    return Matrix.of(finite(part, from * width, name, ws));
  }

  double[] vector(String name, Workspace ws) throws IOException {
    try (Tensor tensor = finite(weights.read(name, ws), 0, name, ws)) {
      return tensor.toDoubleArray();
    }
  }

  /** Returns the tensor, or closes it and says where it is not finite. */
  private Tensor finite(Tensor tensor, long first, String name, Workspace ws) {
    long[] found =
        Kernels.of(ws).tensors().nonFinite(tensor.dtype().code(), tensor.size(), Block.of(tensor));
    if (found[0] == 0) {
      return tensor;
    }
    double value = tensor.get(found[1]);
    tensor.close();
    throw new NumericalException(
        "tensor \"%s\" of the %s is not finite: element %d is %s; such a model has no distance to"
                .formatted(name, which, first + found[1], value)
            + " another and is not aligned");
  }
}
