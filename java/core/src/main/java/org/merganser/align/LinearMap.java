// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/**
 * A dense map with its inverse, which comes from the method's closed form, never from inverting.
 * {@link #close} frees both matrices.
 */
public final class LinearMap implements FeatureMap {
  private final Matrix matrix;
  private final Matrix inverse;
  private final MapFamily family;

  private LinearMap(Matrix matrix, Matrix inverse, MapFamily family) {
    this.matrix = matrix;
    this.inverse = inverse;
    this.family = family;
  }

  /**
   * Takes both matrices as they are, and owns them from then on; {@code verify} measures how well
   * they fit.
   */
  public static LinearMap of(Matrix matrix, Matrix inverse) {
    return of(matrix, inverse, MapFamily.ANY_LINEAR);
  }

  /** The same of a family that was checked. */
  static LinearMap of(Matrix matrix, Matrix inverse, MapFamily family) {
    requireSquarePair(matrix, inverse);
    return new LinearMap(matrix, inverse, family);
  }

  /**
   * An orthogonal map, which owns the matrix from then on: its inverse is its transpose. From a
   * matrix on the host.
   */
  public static LinearMap orthogonal(Matrix matrix) {
    return orthogonal(matrix, matrix.transpose());
  }

  /** An orthogonal map, whose inverse is its transpose. */
  public static LinearMap orthogonal(Matrix matrix, Workspace ws) {
    return orthogonal(matrix, LinAlg.transpose(matrix, ws));
  }

  /** An orthogonal map with its transpose. */
  static LinearMap orthogonal(Matrix matrix, Matrix transpose) {
    requireSquarePair(matrix, transpose);
    return new LinearMap(matrix, transpose, MapFamily.ORTHOGONAL);
  }

  private static void requireSquarePair(Matrix matrix, Matrix inverse) {
    matrix.require("map", matrix.rows(), matrix.rows());
    inverse.require("inverse map", matrix.rows(), matrix.rows());
  }

  /** T itself, which the map owns; not to be changed. */
  public Matrix matrix() {
    return matrix;
  }

  /** T^-1 itself, which the map owns; not to be changed. */
  public Matrix inverseMatrix() {
    return inverse;
  }

  @Override
  public long width() {
    return matrix.rows();
  }

  @Override
  public Optional<MapFamily> family() {
    return Optional.of(family);
  }

  @Override
  public LinearMap inverse() {
    return new LinearMap(view(inverse), view(matrix), family);
  }

  /** The same elements; closing it frees nothing. */
  static Matrix view(Matrix matrix) {
    return Matrix.of(matrix.asTensor().reshape(matrix.rows(), matrix.columns()));
  }

  /** A map with matrices of its own, where the Workspace computes. */
  LinearMap copy(Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix ours = opened.add(matrix.on(ws));
      Matrix other = inverse.on(ws);
      opened.release();
      return new LinearMap(ours, other, family);
    }
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    MapPair.requireFit(this, next);
    if (next instanceof MapPair) {
      return MapPair.product(this, next, ws);
    }
    if (next instanceof IdentityMap) {
      return copy(ws);
    }
    try (FeatureMap back = next.inverse();
        Matrix nextMatrix =
            next instanceof LinearMap linear ? view(linear.matrix) : next.toMatrix(ws);
        Matrix nextInverse =
            back instanceof LinearMap linear ? view(linear.matrix) : back.toMatrix(ws)) {
      return product(
          nextMatrix, matrix, inverse, nextInverse, family.join(next.family().orElseThrow()), ws);
    }
  }

  /**
   * The map {@code A B} with inverse {@code C D}; that of a rotation is its transpose to the bit,
   * as everywhere.
   */
  static LinearMap product(Matrix a, Matrix b, Matrix c, Matrix d, MapFamily family, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix matrix = opened.add(LinAlg.multiply(a, b, ws));
      Matrix inverse =
          MapFamily.ORTHOGONAL.contains(family)
              ? LinAlg.transpose(matrix, ws)
              : LinAlg.multiply(c, d, ws);
      opened.release();
      return new LinearMap(matrix, inverse, family);
    }
  }

  @Override
  public double condition(Workspace ws) {
    return LinAlg.norm1(matrix, ws) * LinAlg.norm1(inverse, ws);
  }

  @Override
  public Matrix toMatrix(Workspace ws) {
    return matrix.toHost(ws);
  }

  @Override
  public void close() {
    matrix.close();
    inverse.close();
  }

  @Override
  public String toString() {
    return "LinearMap " + matrix.rows() + " x " + matrix.columns() + " (" + family + ")";
  }
}
