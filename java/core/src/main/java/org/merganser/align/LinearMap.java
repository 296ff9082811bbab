// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/**
 * A dense map with its inverse, which comes from the method's closed form, never from inverting.
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

  /** Takes both matrices as they are; {@code verify} measures how well they fit. */
  public static LinearMap of(Matrix matrix, Matrix inverse) {
    requireSquarePair(matrix, inverse);
    return new LinearMap(matrix, inverse, MapFamily.ANY_LINEAR);
  }

  /** An orthogonal map, whose inverse is its transpose, from a matrix on the host. */
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

  /** T itself; not to be changed. */
  public Matrix matrix() {
    return matrix;
  }

  /** T^-1 itself; not to be changed. */
  public Matrix inverseMatrix() {
    return inverse;
  }

  @Override
  public long width() {
    return matrix.rows();
  }

  @Override
  public MapFamily family() {
    return family;
  }

  @Override
  public LinearMap inverse() {
    return new LinearMap(inverse, matrix, family);
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    if (next.width() != width()) {
      throw new ShapeException("cannot compose maps of " + width() + " and " + next.width());
    }
    if (next instanceof IdentityMap) {
      return this;
    }
    Matrix nextMatrix = next instanceof LinearMap linear ? linear.matrix : next.toMatrix(ws);
    Matrix nextInverse =
        next instanceof LinearMap linear ? linear.inverse : next.inverse().toMatrix(ws);
    boolean orthogonal =
        family == MapFamily.ORTHOGONAL && MapFamily.ORTHOGONAL.allows(next.family());
    return new LinearMap(
        LinAlg.multiply(nextMatrix, matrix, ws),
        LinAlg.multiply(inverse, nextInverse, ws),
        orthogonal ? MapFamily.ORTHOGONAL : MapFamily.ANY_LINEAR);
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
  public String toString() {
    return "LinearMap " + matrix.rows() + " x " + matrix.columns() + " (" + family + ")";
  }
}
