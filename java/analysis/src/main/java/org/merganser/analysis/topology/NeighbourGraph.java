// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;

/**
 * The graph that joins each of n samples to k others, by the entries of its row of a matrix:
 * distances, or the potential of PHATE with logarithms (gamma 1), where small entries are likely
 * transitions. An edge is there when either end chose the other.
 *
 * <p>Where the k-th choice of a row is as good as one that is left out, the graph follows the order
 * of the samples, and so does all that is computed on it: {@link Choice#tied} counts such rows. The
 * potentials of samples that no walk of PHATE connects are all one, {@code -ln 1e-7}.
 */
public final class NeighbourGraph {
  /**
   * Entries that differ by less than this part of them are one: near its floor the logarithm of
   * PHATE makes 1e-9 of the rounding of P^t.
   */
  private static final double ROUNDING = 1e-9;

  private NeighbourGraph() {}

  /**
   * A graph, and how much of it is the order of the samples.
   *
   * @param tied rows whose k-th choice equals, but for rounding, an entry that is not chosen; 0
   *     where the graph follows from the entries
   */
  public record Choice(Graph graph, int tied) {}

  /** Which k others. */
  public enum Rule {
    /** Those of the smallest entries. */
    NEAREST,
    /**
     * Those of the largest entries, as the public code of Horoi et al. (2021) takes them: of a
     * potential, the least likely transitions. For comparison with its figures of degree 0 only:
     * that code counts an edge that both ends chose twice, which closes a loop more there.
     */
    COMPAT_FARTHEST
  }

  /** The graph of {@link #choose}. */
  public static Graph of(Matrix entries, int k, Rule rule) {
    return choose(entries, k, rule).graph();
  }

  /**
   * Of a matrix [n x n], k below n. The diagonal is not looked at; of equal entries the one of the
   * lowest index counts first. {@code +Inf} is no neighbour.
   *
   * @throws NumericalException when an entry is NaN, or a row has fewer than k finite ones
   */
  public static Choice choose(Matrix entries, int k, Rule rule) {
    int n = Math.toIntExact(entries.rows());
    if (entries.columns() != n) {
      throw new ShapeException("neighbours are chosen from a square matrix, not from a " + entries);
    }
    if (k < 1 || k >= n) {
      throw new IllegalArgumentException(
          "k is " + k + ": each of " + n + " samples has 1 to " + (n - 1) + " neighbours");
    }
    List<int[]> edges = new ArrayList<>(n * k);
    double[] keys = new double[k];
    int[] chosen = new int[k];
    int tied = 0;
    for (int i = 0; i < n; i++) {
      double[] row = entries.row(i);
      int found = 0;
      for (int j = 0; j < n; j++) {
        if (Double.isNaN(row[j])) {
          throw new NumericalException("entry [" + i + ", " + j + "] is NaN");
        }
        if (j != i && Double.isFinite(row[j])) {
          double key = rule == Rule.NEAREST ? row[j] : -row[j];
          found = insert(keys, chosen, found, key, j);
        }
      }
      if (found < k) {
        throw new NumericalException(
            "row " + i + " has " + found + " finite entries besides its own, needed are " + k);
      }
      tied += asGood(row, i, keys[k - 1], rule) > k ? 1 : 0;
      for (int j : chosen) {
        edges.add(new int[] {i, j});
      }
    }
    return new Choice(Graph.of(n, edges.toArray(int[][]::new)), tied);
  }

  /** How many entries of row i are chosen, or as good as the last that is. */
  private static int asGood(double[] row, int i, double last, Rule rule) {
    double bound = last + ROUNDING * Math.abs(last);
    int count = 0;
    for (int j = 0; j < row.length; j++) {
      double key = rule == Rule.NEAREST ? row[j] : -row[j];
      count += j != i && Double.isFinite(key) && key <= bound ? 1 : 0;
    }
    return count;
  }

  /** The graph of {@link #chooseByRows}. */
  public static Graph ofRows(Matrix rows, int k, Rule rule, Workspace ws) {
    return chooseByRows(rows, k, rule, ws).graph();
  }

  /**
   * By the Euclidean distances of rows of a matrix [n x p], such as the potential of PHATE: of
   * samples from which walks spread alike, where {@link #choose} takes those to which they lead.
   *
   * @throws NumericalException when an entry is not finite
   */
  public static Choice chooseByRows(Matrix rows, int k, Rule rule, Workspace ws) {
    for (int i = 0; i < rows.rows(); i++) {
      double[] row = rows.row(i);
      for (int j = 0; j < row.length; j++) {
        if (!Double.isFinite(row[j])) {
          throw new NumericalException("entry [" + i + ", " + j + "] is " + row[j]);
        }
      }
    }
    try (Matrix squares = Gram.squaredDistances(rows, ws);
        Matrix host = squares.toHost(ws)) {
      return choose(host, k, rule);
    }
  }

  /** Keeps the smallest in order, equal ones in order of arrival; returns how many there are. */
  private static int insert(double[] keys, int[] chosen, int count, double key, int index) {
    int last = Math.min(count, keys.length - 1);
    if (count == keys.length && key >= keys[last]) {
      return count;
    }
    int place = last;
    while (place > 0 && keys[place - 1] > key) {
      keys[place] = keys[place - 1];
      chosen[place] = chosen[place - 1];
      place--;
    }
    keys[place] = key;
    chosen[place] = index;
    return last + 1;
  }
}
