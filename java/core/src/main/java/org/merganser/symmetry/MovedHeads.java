// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.List;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.Rotary;

/** Rows of the heads of an attention after a symmetry; the formulas of {@link HeadSymmetry}. */
final class MovedHeads {
  private final List<HeadSymmetry> heads;
  private final int size;

  MovedHeads(List<HeadSymmetry> heads, int size) {
    this.heads = heads;
    this.size = size;
  }

  /** A V. */
  Matrix values(Matrix v) {
    return each(v, 1, (head, rows) -> times(head.value(), rows));
  }

  /** A^-T O^T, of columns as rows. */
  Matrix outputs(Matrix o) {
    return each(o, group(), (head, rows) -> times(transposed(head.valueInverse()), rows));
  }

  /** B K. */
  Matrix keys(Matrix k) {
    return each(
        k,
        1,
        (head, rows) ->
            head.queryKey() instanceof Rotary rotary
                ? turned(rotary.phase(), rotary.ratio(), rows)
                : times(((Dense) head.queryKey()).key(), rows));
  }

  /** B^-T Q. */
  Matrix queries(Matrix q) {
    return each(q, group(), MovedHeads::query);
  }

  private static double[][] query(HeadSymmetry head, double[][] rows) {
    if (head.queryKey() instanceof Rotary rotary) {
      double[] inverse = rotary.ratio();
      for (int i = 0; i < inverse.length; i++) {
        inverse[i] = 1 / inverse[i];
      }
      return turned(rotary.phase(), inverse, rows);
    }
    return times(((Dense) head.queryKey()).query(), rows);
  }

  private int group() {
    return heads.get(0).queries().length;
  }

  private interface Change {
    double[][] of(HeadSymmetry head, double[][] rows);
  }

  /**
   * @param group heads of this kind for each KV head
   */
  private Matrix each(Matrix before, int group, Change change) {
    Matrix after = Matrix.of(Tensor.allocate(before.dtype(), before.rows(), before.columns()));
    Rows rows = Rows.of(before);
    double[][] block = new double[size][rows.width()];
    for (int k = 0; k < heads.size(); k++) {
      HeadSymmetry head = heads.get(k);
      int[] order = group == 1 ? new int[1] : head.queries();
      for (int j = 0; j < group; j++) {
        int from = (head.source() * group + order[j]) * size;
        for (int i = 0; i < size; i++) {
          rows.read(from + i, block[i]);
        }
        double[][] changed = change.of(head, block);
        for (int i = 0; i < size; i++) {
          Rows.write(after, (k * group + j) * size + i, changed[i]);
        }
      }
    }
    return after;
  }

  private static double[] transposed(double[] square) {
    return square.length == 0 ? square : Squares.transpose(square);
  }

  /** Rows mixed by a square matrix; an empty one leaves them. */
  private static double[][] times(double[] square, double[][] rows) {
    if (square.length == 0) {
      return rows;
    }
    int n = rows.length;
    double[][] result = new double[n][rows[0].length];
    for (int i = 0; i < n; i++) {
      double[] sum = result[i];
      for (int k = 0; k < n; k++) {
        double factor = square[i * n + k];
        double[] row = rows[k];
        for (int j = 0; j < sum.length; j++) {
          sum[j] += factor * row[j];
        }
      }
    }
    return result;
  }

  private static double[][] turned(double[] phase, double[] ratio, double[][] rows) {
    int half = phase.length;
    double[][] result = new double[rows.length][];
    for (int i = 0; i < half; i++) {
      if (phase[i] == 0 && ratio[i] == 1) {
        result[i] = rows[i];
        result[i + half] = rows[i + half];
        continue;
      }
      double cos = ratio[i] * SymmetryCheck.cos(phase[i]);
      double sin = ratio[i] * SymmetryCheck.sin(phase[i]);
      double[] first = new double[rows[i].length];
      double[] second = new double[first.length];
      for (int j = 0; j < first.length; j++) {
        first[j] = cos * rows[i][j] - sin * rows[i + half][j];
        second[j] = sin * rows[i][j] + cos * rows[i + half][j];
      }
      result[i] = first;
      result[i + half] = second;
    }
    return result;
  }
}
