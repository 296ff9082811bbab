// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.merganser.analysis.geometry.Lanczos;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.method.Settings;

/**
 * Eigenvalues of a Hessian that is only applied: the largest by Lanczos with full
 * reorthogonalisation, the sum of all by Hutchinson's estimator, the density of all by stochastic
 * Lanczos quadrature. The seed of the Workspace draws the probes.
 *
 * <p>Source: Yao et al. 2020, "PyHessian" (arXiv 1912.07145), which finds the largest by power
 * iteration instead; Ghorbani et al. 2019 (arXiv 1901.10159) for the density.
 */
public final class Hessian {
  private static final int CHECKED_EVERY = 5;
  private static final int FEWEST_PROBES = 10;

  private Hessian() {}

  /**
   * How far to go.
   *
   * @param steps products of one Lanczos process at most
   * @param probes random vectors at most
   * @param tolerance of residuals relative to the largest eigenvalue, and of the standard error of
   *     the trace relative to it
   */
  public record Options(int steps, int probes, double tolerance) {
    public Options {
      if (steps < 1 || probes < 1 || !(tolerance > 0)) {
        throw new IllegalArgumentException(
            "steps, probes and tolerance must be positive, not %d, %d and %s"
                .formatted(steps, probes, tolerance));
      }
    }

    /** 100 steps, 100 probes, tolerance 1e-3. */
    public static Options defaults() {
      return new Options(100, 100, 1e-3);
    }

    public Options withSteps(int value) {
      return Settings.with(this, "steps", value);
    }

    public Options withProbes(int value) {
      return Settings.with(this, "probes", value);
    }

    public Options withTolerance(double value) {
      return Settings.with(this, "tolerance", value);
    }
  }

  /**
   * The largest eigenvalues.
   *
   * @param values in descending order, with their signs; of equal ones Lanczos finds one, so there
   *     may be fewer than were asked for
   * @param vectors of length 1, one each
   * @param residuals {@code |H v - value v|} of each, as the process has it
   * @param smallest the smallest value of the process: negative where the loss curves down
   * @param products applications of H
   */
  public record Top(
      double[] values, double[][] vectors, double[] residuals, double smallest, int products) {}

  /**
   * The k largest eigenvalues and their vectors.
   *
   * @param k from 1 to the number of parameters and of steps
   * @throws NumericalException when a product is not finite
   */
  public static Top top(Curvature hessian, int k, Options options, Workspace ws)
      throws IOException {
    int n = hessian.size();
    if (k < 1 || k > Math.min(n, options.steps())) {
      throw new IllegalArgumentException(
          "the %d largest of %d eigenvalues in %d steps; ask for 1 to %d"
              .formatted(k, n, options.steps(), Math.min(n, options.steps())));
    }
    Lanczos process =
        lanczos(
            hessian,
            options,
            ws.seed(),
            (so, steps) ->
                steps >= k && steps % CHECKED_EVERY == 0 && converged(so, k, options, ws),
            ws);
    try (SymmetricEigen ritz = process.ritz(ws)) {
      int m = process.diagonal().length;
      int count = Math.min(k, m);
      double[] values = new double[count];
      double[][] vectors = new double[count][n];
      double[] residuals = new double[count];
      for (int i = 0; i < count; i++) {
        values[i] = ritz.values()[m - 1 - i];
        double[] shares = ritz.vectors().row(m - 1 - i);
        residuals[i] = Math.abs(shares[m - 1]) * process.left();
        for (int s = 0; s < m; s++) {
          double[] q = process.basis().get(s);
          for (int j = 0; j < n; j++) {
            vectors[i][j] += shares[s] * q[j];
          }
        }
      }
      return new Top(values, vectors, residuals, ritz.values()[0], m);
    }
  }

  private static boolean converged(Lanczos process, int k, Options options, Workspace ws) {
    try (SymmetricEigen ritz = process.ritz(ws)) {
      int m = process.diagonal().length;
      double largest = Math.max(Math.abs(ritz.values()[0]), Math.abs(ritz.values()[m - 1]));
      for (int i = 0; i < k; i++) {
        double left = Math.abs(ritz.vectors().get(m - 1 - i, m - 1)) * process.left();
        if (!(left <= options.tolerance() * largest)) {
          return false;
        }
      }
      return true;
    }
  }

  /**
   * The sum of all eigenvalues: the mean of {@code v' H v} over vectors v of random signs.
   *
   * @param standardError of the mean
   * @param probes vectors
   */
  public record Trace(double value, double standardError, int probes) {}

  /** The trace; exact, whatever the signs, for a diagonal Hessian. */
  public static Trace trace(Curvature hessian, Options options, Workspace ws) throws IOException {
    double mean = 0;
    double squares = 0;
    for (int probe = 1; ; probe++) {
      ws.cancellation().check();
      SplittableRandom random = Seeds.stream(ws.seed(), "hutchinson/" + probe);
      double[] v = new double[hessian.size()];
      for (int i = 0; i < v.length; i++) {
        v[i] = random.nextBoolean() ? 1 : -1;
      }
      double found = Vectors.dot(v, product(hessian, v));
      double off = found - mean;
      mean += off / probe;
      squares += off * (found - mean);
      double error = probe < 2 ? Double.NaN : Math.sqrt(squares / (probe - 1) / probe);
      ws.progress().report("trace", probe, options.probes());
      boolean enough = probe >= FEWEST_PROBES && error <= options.tolerance() * Math.abs(mean);
      if (enough || probe == options.probes()) {
        return new Trace(mean, error, probe);
      }
    }
  }

  /**
   * The density of eigenvalues: for each probe nodes and their weights, which sum to 1.
   *
   * @param nodes eigenvalues of the tridiagonal matrix of a Lanczos process
   * @param weights squares of the first components of its eigenvectors
   */
  public record Density(List<double[]> nodes, List<double[]> weights) {
    public Density {
      nodes = List.copyOf(nodes);
      weights = List.copyOf(weights);
    }

    /**
     * The density at a value, smoothed by a Gaussian; its integral is 1.
     *
     * @param sigma of it, positive
     */
    public double at(double value, double sigma) {
      if (!(sigma > 0)) {
        throw new IllegalArgumentException("a density is smoothed by sigma > 0, not " + sigma);
      }
      double sum = 0;
      for (int p = 0; p < nodes.size(); p++) {
        for (int i = 0; i < nodes.get(p).length; i++) {
          double z = (value - nodes.get(p)[i]) / sigma;
          sum += weights.get(p)[i] * Math.exp(-z * z / 2);
        }
      }
      return sum / (nodes.size() * sigma * Math.sqrt(2 * Math.PI));
    }

    /** Mean of the k-th power of the eigenvalues: P times the first is the trace. */
    public double moment(int k) {
      double sum = 0;
      for (int p = 0; p < nodes.size(); p++) {
        for (int i = 0; i < nodes.get(p).length; i++) {
          sum += weights.get(p)[i] * Math.pow(nodes.get(p)[i], k);
        }
      }
      return sum / nodes.size();
    }

    /** Smallest and largest node. */
    public double[] range() {
      double[] range = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
      for (double[] each : nodes) {
        range[0] = Math.min(range[0], Arrays.stream(each).min().orElseThrow());
        range[1] = Math.max(range[1], Arrays.stream(each).max().orElseThrow());
      }
      return range;
    }
  }

  /**
   * The density by stochastic Lanczos quadrature.
   *
   * @param probes random starts
   */
  public static Density density(Curvature hessian, int probes, Options options, Workspace ws)
      throws IOException {
    if (probes < 1) {
      throw new IllegalArgumentException("a density needs 1 probe or more, not " + probes);
    }
    List<double[]> nodes = new ArrayList<>();
    List<double[]> weights = new ArrayList<>();
    for (int probe = 0; probe < probes; probe++) {
      long seed = Seeds.derive(ws.seed(), "density/" + probe);
      Lanczos process = lanczos(hessian, options, seed, (so, steps) -> false, ws);
      try (SymmetricEigen ritz = process.ritz(ws)) {
        double[] squares = new double[ritz.values().length];
        for (int i = 0; i < squares.length; i++) {
          squares[i] = Math.pow(ritz.vectors().get(i, 0), 2);
        }
        nodes.add(ritz.values());
        weights.add(squares);
      }
      ws.progress().report("density", probe + 1, probes);
    }
    return new Density(nodes, weights);
  }

  private static Lanczos lanczos(
      Curvature hessian, Options options, long seed, Lanczos.Enough enough, Workspace ws)
      throws IOException {
    UnaryOperator<double[]> map =
        v -> {
          ws.cancellation().check();
          try {
            return product(hessian, v);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        };
    try {
      return Lanczos.of(map, hessian.size(), options.steps(), seed, enough);
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static double[] product(Curvature hessian, double[] v) throws IOException {
    double[] found = hessian.times(v);
    for (int i = 0; i < found.length; i++) {
      if (!Double.isFinite(found[i])) {
        throw new NumericalException(
            "the Hessian times a vector is %s at parameter %d; the loss has no curvature here"
                .formatted(found[i], i));
      }
    }
    return found;
  }
}
