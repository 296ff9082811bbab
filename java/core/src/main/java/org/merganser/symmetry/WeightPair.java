// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.transformer.TransformerConfig;

/** Two models whose weights are compared. */
record WeightPair(ModelRows source, ModelRows target, TransformerConfig config) {
  static WeightPair of(Checkpoint source, Checkpoint target, TransformerConfig config) {
    DType dtype = dtype(source, target);
    return new WeightPair(
        new ModelRows(source.as(dtype), "source", dtype),
        new ModelRows(target.as(dtype), "target", dtype),
        config);
  }

  /** In which they are compared: F64 where both models are, else F32. */
  static DType dtype(Checkpoint source, Checkpoint target) {
    return has(source, DType.F64) && has(target, DType.F64) ? DType.F64 : DType.F32;
  }

  private static boolean has(Checkpoint checkpoint, DType dtype) {
    return checkpoint.tensors().values().stream().anyMatch(info -> info.dtype() == dtype);
  }

  DType dtype() {
    return target.dtype();
  }

  boolean has(String name) {
    return target.has(name);
  }

  /** Rows of both models. */
  record Both(Matrix target, Matrix source) implements AutoCloseable {
    /** The target's first. */
    Matrix[] pair() {
      return new Matrix[] {target, source};
    }

    /** With the source moved; both sources are open then. */
    Both moved(Stream stream, Workspace ws) {
      return new Both(target, stream.moved(source, ws));
    }

    @Override
    public void close() {
      target.close();
      source.close();
    }
  }

  private interface Reading {
    Matrix of(ModelRows model) throws IOException;
  }

  private Both both(Reading reading) throws IOException {
    Matrix first = reading.of(target);
    try {
      return new Both(first, reading.of(source));
    } catch (IOException | RuntimeException e) {
      first.close();
      throw e;
    }
  }

  Both reading(String projection, Workspace ws) throws IOException {
    return both(model -> model.reading(projection, ws));
  }

  Both writing(String projection, Workspace ws) throws IOException {
    return both(model -> model.writing(projection, ws));
  }

  Both matrices(String name, Workspace ws) throws IOException {
    return both(model -> model.matrix(name, ws));
  }

  Both rows(String name, long from, long to, Workspace ws) throws IOException {
    return both(model -> model.rows(name, from, to, ws));
  }

  /** A vector of both models, the target's first. */
  double[][] vectors(String name, Workspace ws) throws IOException {
    return new double[][] {target.vector(name, ws), source.vector(name, ws)};
  }

  static double squaredDistance(double[][] vectors) {
    double[] difference = new double[vectors[0].length];
    Arrays.setAll(difference, i -> vectors[0][i] - vectors[1][i]);
    return Rows.dot(difference, difference);
  }
}
