// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;

/**
 * The map of the residual stream as it acts on rows that lie in it: {@code rows R^T}. A column more
 * than the stream has (a bias beside the row of a reading projection) stays as it is.
 */
final class Stream {
  private final int hidden;
  private final Residual residual;

  /** R for rows of a type and a width; guarded by this, since layers share it. */
  private final Map<Shape, Matrix> typed = new HashMap<>();

  private record Shape(DType dtype, long width) {}

  Stream(int hidden, Residual residual) {
    this.hidden = hidden;
    this.residual = residual;
  }

  int hidden() {
    return hidden;
  }

  Residual residual() {
    return residual;
  }

  /** Whether this moves anything. */
  boolean moves() {
    return !(residual instanceof None);
  }

  /** New rows, of the same type; both on the host. */
  Matrix moved(Matrix rows, Workspace ws) {
    if (residual instanceof None) {
      return rows.copy();
    }
    Matrix result = Matrix.of(Tensor.zeros(rows.dtype(), rows.rows(), rows.columns()));
    if (residual instanceof Orthogonal map) {
      LinAlg.addProduct(1, rows, typed(map, rows.dtype(), rows.columns(), ws), result, ws);
      return result;
    }
    SignedPermutation map = (SignedPermutation) residual;
    int[] from = map.permutation();
    int[] signs = map.signs();
    Rows source = Rows.of(rows);
    double[] before = new double[source.width()];
    double[] after = new double[source.width()];
    for (int i = 0; i < source.count(); i++) {
      source.read(i, before);
      System.arraycopy(before, hidden, after, hidden, before.length - hidden);
      for (int j = 0; j < hidden; j++) {
        after[j] = signs[j] * before[from[j]];
      }
      Rows.write(result, i, after);
    }
    return result;
  }

  private synchronized Matrix typed(Orthogonal map, DType dtype, long width, Workspace ws) {
    if (dtype == DType.F64 && width == hidden) {
      return map.matrix();
    }
    return typed.computeIfAbsent(
        new Shape(dtype, width),
        shape -> {
          Matrix wide = extended(map.matrix(), width);
          if (dtype == DType.F64) {
            return wide;
          }
          // On the host, where every thread may use it.
          try (wide;
              Tensor converted = wide.asTensor().to(dtype, ws)) {
            return Matrix.of(converted.toHost(ws));
          }
        });
  }

  /** Frees what was made for rows; moving others makes it again. */
  synchronized void release() {
    typed.values().forEach(Matrix::close);
    typed.clear();
  }

  private Matrix extended(Matrix r, long width) {
    Matrix wide = Matrix.identity(width);
    double[] row = new double[(int) width];
    Rows rows = Rows.of(r);
    for (int i = 0; i < hidden; i++) {
      rows.read(i, row);
      Rows.write(wide, i, row);
    }
    return wide;
  }

  /** A vector of the stream. */
  double[] vector(double[] x) {
    if (residual instanceof SignedPermutation map) {
      int[] from = map.permutation();
      int[] signs = map.signs();
      return IntStream.range(0, x.length).mapToDouble(i -> signs[i] * x[from[i]]).toArray();
    }
    return residual instanceof Orthogonal map ? Rotations.times(map.matrix(), x) : x.clone();
  }

  /** A gain, whose entries move without signs; equal ones stay under a rotation. */
  double[] gain(double[] gain) {
    if (residual instanceof SignedPermutation map) {
      int[] from = map.permutation();
      return Arrays.stream(from).mapToDouble(i -> gain[i]).toArray();
    }
    return gain.clone();
  }

  /** This, then another map of the same kind. */
  Stream then(Residual next, Workspace ws) {
    if (residual instanceof None || next instanceof None) {
      return next instanceof None ? this : new Stream(hidden, next);
    }
    if (next instanceof Orthogonal after) {
      try (Matrix product = LinAlg.multiply(after.matrix(), ((Orthogonal) residual).matrix(), ws)) {
        return new Stream(hidden, new Orthogonal(product.toHost(ws)));
      }
    }
    SignedPermutation first = (SignedPermutation) residual;
    SignedPermutation after = (SignedPermutation) next;
    int[] from = first.permutation();
    int[] signs = first.signs();
    int[] step = after.permutation();
    int[] stepSigns = after.signs();
    int[] both = new int[hidden];
    int[] bothSigns = new int[hidden];
    for (int i = 0; i < hidden; i++) {
      both[i] = from[step[i]];
      bothSigns[i] = stepSigns[i] * signs[step[i]];
    }
    return new Stream(hidden, new SignedPermutation(both, bothSigns));
  }
}
