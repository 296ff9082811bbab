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

  /** An orthogonal map: its inverse is its transpose. */
  public static LinearMap orthogonal(Matrix matrix) {
    Matrix transpose = matrix.transpose();
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
    Matrix nextMatrix = next instanceof LinearMap linear ? linear.matrix : next.toMatrix();
    Matrix nextInverse =
        next instanceof LinearMap linear ? linear.inverse : next.inverse().toMatrix();
    boolean orthogonal =
        family == MapFamily.ORTHOGONAL && MapFamily.ORTHOGONAL.allows(next.family());
    return new LinearMap(
        LinAlg.multiply(nextMatrix, matrix, ws),
        LinAlg.multiply(inverse, nextInverse, ws),
        orthogonal ? MapFamily.ORTHOGONAL : MapFamily.ANY_LINEAR);
  }

  @Override
  public double condition() {
    return norm1(matrix) * norm1(inverse);
  }

  private static double norm1(Matrix matrix) {
    double[] sums = new double[Math.toIntExact(matrix.columns())];
    double largest = 0;
    for (long i = 0; i < matrix.rows(); i++) {
      for (int j = 0; j < sums.length; j++) {
        sums[j] += Math.abs(matrix.get(i, j));
      }
    }
    for (double sum : sums) {
      largest = Math.max(largest, sum);
    }
    return largest;
  }

  @Override
  public Matrix toMatrix() {
    return matrix.copy();
  }

  @Override
  public String toString() {
    return "LinearMap " + matrix.rows() + " x " + matrix.columns() + " (" + family + ")";
  }
}
