// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.NonFinite;

/** Both sides of a comparison, checked, without the samples that were dropped. */
final class Pair implements AutoCloseable {
  private final Sample x;
  private final Sample y;
  private final long dropped;
  private final Opened owned;

  private Pair(Sample x, Sample y, long dropped, Opened owned) {
    this.x = x;
    this.y = y;
    this.dropped = dropped;
    this.owned = owned;
  }

  static Pair of(SimilarityMeasure measure, Matrix x, Matrix y, NonFinite nonFinite, Workspace ws) {
    requirePaired(x, y);
    double[] normsX = squaredNorms(x, ws);
    double[] normsY = squaredNorms(y, ws);
    TreeSet<Integer> bad = new TreeSet<>();
    collect("X", x, normsX, nonFinite, bad, ws);
    collect("Y", y, normsY, nonFinite, bad, ws);
    requireEnough(measure, x.rows(), bad.size());
    Opened owned = new Opened();
    try (Opened opened = new Opened()) {
      opened.add(owned);
      Matrix keptX = bad.isEmpty() ? x : owned.add(without(x, bad, ws));
      Matrix keptY = bad.isEmpty() ? y : owned.add(without(y, bad, ws));
      Sample left = owned.add(Sample.of("X", keptX, largest(normsX), ws));
      Sample right = owned.add(Sample.of("Y", keptY, largest(normsY), ws));
      opened.release();
      return new Pair(left, right, bad.size(), owned);
    }
  }

  private static void requirePaired(Matrix x, Matrix y) {
    Sample.require("X", x);
    Sample.require("Y", y);
    if (x.rows() != y.rows()) {
      throw new ShapeException(
          "X is a "
              + x
              + " and Y a "
              + y
              + ": their rows are the same samples, so there must be as many");
    }
    if (x.rows() < 2) {
      throw new ShapeException(
          "X is a " + x + " and Y a " + y + ": at least 2 samples can be compared");
    }
  }

  private static void requireEnough(SimilarityMeasure measure, long rows, int bad) {
    if (rows - bad < measure.minimumSamples()) {
      throw new IllegalArgumentException(
          measure.id()
              + " needs at least "
              + measure.minimumSamples()
              + " samples, not "
              + (rows - bad)
              + (bad == 0 ? "" : "; " + bad + " of " + rows + " were dropped, not being finite"));
    }
  }

  /** Of the samples as they are: not finite where the sample is not. */
  private static double[] squaredNorms(Matrix x, Workspace ws) {
    if (x.dtype() == DType.F64) {
      return LinAlg.rowProducts(x, x, ws);
    }
    try (Matrix wide = Sample.wide(x, ws)) {
      return LinAlg.rowProducts(wide, wide, ws);
    }
  }

  /** Of those that are finite. */
  private static double largest(double[] norms) {
    double largest = 0;
    for (double norm : norms) {
      largest = Double.isFinite(norm) ? Math.max(largest, norm) : largest;
    }
    return largest;
  }

  private static void collect(
      String name,
      Matrix x,
      double[] norms,
      NonFinite nonFinite,
      TreeSet<Integer> bad,
      Workspace ws) {
    for (int i = 0; i < norms.length; i++) {
      if (Double.isFinite(norms[i])) {
        continue;
      }
      double[] row = row(x, i, ws);
      int column = 0;
      while (column < row.length && Double.isFinite(row[column])) {
        column++;
      }
      if (column == row.length) {
        throw new NumericalException(
            name
                + "["
                + i
                + "]: its squared norm is beyond F64; multiply the activations by a constant");
      }
      if (nonFinite == NonFinite.FAIL) {
        throw new NumericalException(
            name
                + "["
                + i
                + ", "
                + column
                + "] is "
                + row[column]
                + "; correct it, or drop such samples on both sides (NonFinite.SKIP_SAMPLE)");
      }
      bad.add(i);
    }
  }

  private static double[] row(Matrix x, int row, Workspace ws) {
    try (Tensor rows = x.asTensor().rows(row, row + 1);
        Tensor host = rows.toHost(ws)) {
      return host.toDoubleArray();
    }
  }

  /** A new matrix on the host. */
  private static Matrix without(Matrix x, TreeSet<Integer> bad, Workspace ws) {
    List<Integer> kept = new ArrayList<>();
    for (int i = 0; i < x.rows(); i++) {
      if (!bad.contains(i)) {
        kept.add(i);
      }
    }
    try (Opened opened = new Opened();
        Matrix host = x.toHost(ws)) {
      Matrix rows = opened.add(Matrix.of(Tensor.allocate(x.dtype(), kept.size(), x.columns())));
      for (int i = 0; i < kept.size(); i++) {
        rows.setRow(i, host.row(kept.get(i)));
      }
      opened.release();
      return rows;
    }
  }

  Sample x() {
    return x;
  }

  Sample y() {
    return y;
  }

  List<Sample> sides() {
    return List.of(x, y);
  }

  int samples() {
    return Math.toIntExact(x.rows());
  }

  long dropped() {
    return dropped;
  }

  @Override
  public void close() {
    owned.close();
  }
}
