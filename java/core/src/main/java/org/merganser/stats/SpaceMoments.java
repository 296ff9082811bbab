// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.StatisticsRequest.Pair;

/**
 * Moments of one feature space over paired samples of N models. Immutable; its matrices are freed
 * by {@link #close} or when nothing refers to them.
 */
public final class SpaceMoments implements AutoCloseable {
  /** A feature is dead when its variance is at most this part of the largest of its model. */
  private static final double DEAD = 1e-12;

  private final long samples;
  private final long skipped;
  private final double[][] means;
  private final double[][] m2;
  private final Map<Pair, Matrix> blocks;

  SpaceMoments(
      long samples, long skipped, double[][] means, double[][] m2, Map<Pair, Matrix> blocks) {
    this.samples = samples;
    this.skipped = skipped;
    this.means = means;
    this.m2 = m2;
    this.blocks = Collections.unmodifiableMap(new LinkedHashMap<>(blocks));
  }

  /** Samples that went in. */
  public long samples() {
    return samples;
  }

  /** Samples dropped because a value was not finite. */
  public long skipped() {
    return skipped;
  }

  public int models() {
    return means.length;
  }

  /** Number of features of a model. */
  public int width(int model) {
    return means[model].length;
  }

  /** Mean of each feature of a model. */
  public double[] mean(int model) {
    return means[model].clone();
  }

  /** Variance (division by n) of each feature of a model. */
  public double[] variance(int model) {
    return Arrays.stream(m2[model]).map(s -> s / samples).toArray();
  }

  /** Which features of a model never vary: variance at most 1e-12 of the largest, or all zero. */
  public boolean[] dead(int model) {
    double largest = Arrays.stream(m2[model]).max().orElse(0);
    boolean[] dead = new boolean[m2[model].length];
    for (int i = 0; i < dead.length; i++) {
      dead[i] = m2[model][i] <= DEAD * largest;
    }
    return dead;
  }

  /** The blocks kept, as centred sums [width_i x width_j]. */
  public Map<Pair, Matrix> blocks() {
    return blocks;
  }

  /**
   * Centred sums of products of models i and j, {@code i <= j}.
   *
   * @throws IllegalArgumentException when this block was not collected
   */
  public Matrix block(int i, int j) {
    Matrix block = blocks.get(new Pair(i, j));
    if (block == null) {
      throw new IllegalArgumentException(
          "block ("
              + i
              + ", "
              + j
              + ") was not collected; there are "
              + blocks.keySet()
              + "; collect with the request of the aligner");
    }
    return block;
  }

  /** Covariance {@code M2 / n} of models i and j, {@code i <= j}; a new matrix. */
  public Matrix covariance(int i, int j, Workspace ws) {
    double[] divisors = new double[width(i)];
    Arrays.fill(divisors, samples);
    return LinAlg.divide(block(i, j), divisors, null, ws);
  }

  /**
   * Sums of products that are not centred, {@code X^T X = M2 + n mean mean^T}, of the features of
   * one model; a new matrix.
   */
  public Matrix products(int model, Workspace ws) {
    Matrix centred = block(model, model);
    try (Opened opened = new Opened()) {
      Matrix sum = opened.add(Matrix.allocate(centred.rows(), centred.columns(), ws));
      sum.asTensor().copyFrom(centred.asTensor(), ws);
      addBetween(means[model], means[model], samples, sum, ws);
      opened.release();
      return sum;
    }
  }

  /**
   * Pearson correlation of the features of models i and j; rows and columns of dead features are 0.
   * A new matrix.
   */
  public Matrix correlation(int i, int j, Workspace ws) {
    // The roots apart: the product of two sums of squares may overflow or underflow.
    return LinAlg.divide(block(i, j), roots(i), roots(j), ws);
  }

  /** Of the sums of squares of each feature; 0 for dead ones. */
  private double[] roots(int model) {
    boolean[] dead = dead(model);
    double[] roots = new double[dead.length];
    for (int f = 0; f < roots.length; f++) {
      roots[f] = dead[f] ? 0 : Math.sqrt(m2[model][f]);
    }
    return roots;
  }

  /**
   * Moments of both sets of samples together (Chan, Golub and LeVeque 1979), with {@code d = mean_b
   * - mean_a}: {@code mean = mean_a + d n_b / n}, {@code M2 = M2_a + M2_b + d d^T n_a n_b / n}.
   */
  public SpaceMoments merge(SpaceMoments other, Workspace ws) {
    requireSameShape(other);
    long n = samples + other.samples;
    double fraction = n == 0 ? 0 : (double) other.samples / n;
    double weight = samples * fraction;
    double[][] delta = new double[models()][];
    double[][] mean = new double[models()][];
    double[][] sums = new double[models()][];
    for (int k = 0; k < models(); k++) {
      int width = width(k);
      delta[k] = new double[width];
      mean[k] = new double[width];
      sums[k] = new double[width];
      for (int f = 0; f < width; f++) {
        delta[k][f] = other.means[k][f] - means[k][f];
        mean[k][f] = means[k][f] + delta[k][f] * fraction;
        sums[k][f] = m2[k][f] + other.m2[k][f] + delta[k][f] * delta[k][f] * weight;
      }
    }
    try (Opened opened = new Opened()) {
      Map<Pair, Matrix> merged = new LinkedHashMap<>();
      blocks.forEach(
          (pair, block) -> {
            Matrix sum = opened.add(LinAlg.add(block, other.block(pair.i(), pair.j()), ws));
            addBetween(delta[pair.i()], delta[pair.j()], weight, sum, ws);
            merged.put(pair, sum);
          });
      opened.release();
      return new SpaceMoments(n, skipped + other.skipped, mean, sums, merged);
    }
  }

  /** What the distance between the means adds. */
  private static void addBetween(
      double[] rows, double[] columns, double weight, Matrix sum, Workspace ws) {
    try (Tensor x = Tensor.of(rows, rows.length, 1);
        Tensor y = Tensor.of(columns, columns.length, 1)) {
      LinAlg.addProduct(weight, Matrix.of(x), Matrix.of(y), sum, ws);
    }
  }

  private void requireSameShape(SpaceMoments other) {
    List<String> problems = new ArrayList<>();
    if (!Arrays.equals(widths(), other.widths())) {
      problems.add(
          "widths " + Arrays.toString(widths()) + " against " + Arrays.toString(other.widths()));
    }
    if (!blocks.keySet().equals(other.blocks.keySet())) {
      problems.add("blocks " + blocks.keySet() + " against " + other.blocks.keySet());
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("moments cannot be merged", problems);
    }
  }

  private int[] widths() {
    return Arrays.stream(means).mapToInt(m -> m.length).toArray();
  }

  double[] m2(int model) {
    return m2[model];
  }

  @Override
  public void close() {
    blocks.values().forEach(Matrix::close);
  }
}
