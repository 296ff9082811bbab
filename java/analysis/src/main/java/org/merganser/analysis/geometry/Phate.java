// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * PHATE (Moon et al. 2019): points in the plane whose distances are those between how random walks
 * from each point spread.
 *
 * <ol>
 *   <li>Affinities {@code K_ij = exp(-(D_ij / e_i)^decay)}, e_i the distance to the knn-th
 *       neighbour; what is below 1e-4 is 0; made symmetric.
 *   <li>{@code P = D^-1 K}, and its power t, at the knee of the entropy of its spectrum.
 *   <li>Potentials {@code U = -ln(P^t + 1e-7)} for gamma = 1, P^t for -1, else {@code (P^t)^c / c}
 *       with {@code c = (1 - gamma) / 2}.
 *   <li>Distances between rows of U, and {@link Mds} of these.
 * </ol>
 *
 * <p>Of many points (over {@code landmarks}) walks between so many of them are looked at; each
 * point belongs to the nearest, and lies between them as its affinities say. Which these are
 * follows from the seed and the bits of the distances: in another unit of length they are others.
 *
 * <p>Any number of threads gives the same bytes, and another order of the points the same points in
 * that order: they are sorted by their distances first. Points that can change places without a
 * change of the distances (at one place, corners of a cube) may get the coordinates of each other;
 * those of a few graphs that only look as if they could (strongly regular ones) may get others.
 *
 * <p>Memory is some N^2 numbers, with landmarks, too; time N^3 for one decomposition and a product,
 * or M^3 and N^2 M of M landmarks.
 */
public final class Phate {
  /** Of which spectrum the entropy is. */
  public enum Spectrum {
    /** Eigenvalues of P, which are there anyway. */
    EIGENVALUES,
    /** Singular values of P, as the public code has it: another decomposition. */
    SINGULAR_VALUES
  }

  /** How rows of potentials are compared. */
  public enum Metric {
    EUCLIDEAN,
    COSINE
  }

  /** What there is to choose. */
  public record Options(
      @Setting(value = "neighbour whose distance is the bandwidth", min = 1) int knn,
      @Setting(value = "decay of affinities", above = 0) double decay,
      @Setting(value = "steps of the walk; 0 for the knee of the entropy", min = 0) int t,
      @Setting(value = "exponents among which the knee is looked for", min = 3) int most,
      @Setting("spectrum whose entropy is taken") Spectrum spectrum,
      @Setting(value = "potential: 1 the logarithm, 0 the root, -1 none", min = -1, max = 1)
          double gamma,
      @Setting("distances of potentials") Metric metric,
      @Setting(value = "coordinates", min = 1) int dimensions,
      @Setting("how points are moved from the classical solution") Mds.Solver solver,
      @Setting(value = "points beyond which only so many are walked between", min = 3)
          int landmarks,
      @Setting("seed of landmarks and of the order in which pairs are moved") long seed) {
    /** knn 5, decay 40, t at the knee up to 100, logarithms, Euclidean, two coordinates, SGD. */
    public static Options defaults() {
      return new Options(
          5, 40, 0, 100, Spectrum.EIGENVALUES, 1, Metric.EUCLIDEAN, 2, Mds.Solver.SGD, 4000, 0);
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }
  }

  /** An embedding. Arrays are copies: whoever asks for one may change it. */
  public static final class Result {
    private final double[][] points;
    private final double[][] potential;
    private final int t;
    private final double[] entropy;
    private final AlphaDecay affinities;
    private final int components;
    private final double stress;
    private final int landmarks;
    private final List<String> warnings;

    private Result(
        double[][] points,
        double[][] potential,
        int t,
        double[] entropy,
        AlphaDecay affinities,
        int components,
        double stress,
        int landmarks,
        List<String> warnings) {
      this.points = points;
      this.potential = potential;
      this.t = t;
      this.entropy = entropy;
      this.affinities = affinities;
      this.components = components;
      this.stress = stress;
      this.landmarks = landmarks;
      this.warnings = List.copyOf(warnings);
    }

    /** [N][dimensions], in the order of the input. */
    public double[][] points() {
      return copy(points);
    }

    /**
     * U [N][N], of both points in the order of the input; empty where landmarks were walked
     * between. With logarithms (gamma 1) small entries are likely, else large ones.
     */
    public double[][] potential() {
      return copy(potential);
    }

    /** Steps of the walk. */
    public int t() {
      return t;
    }

    /** Of exponents 1 on; empty where t was given. */
    public double[] entropy() {
      return entropy.clone();
    }

    /** e of each point; empty where affinities were given. */
    public double[] bandwidth() {
      return affinities.bandwidth().clone();
    }

    /** Pairs of points at distance 0. */
    public long duplicates() {
      return affinities.duplicates();
    }

    /** Groups of points that no walk connects. */
    public int components() {
      return components;
    }

    /** Root of the ratio of squared errors of distances to squared distances. */
    public double stress() {
      return stress;
    }

    /** Points that were walked between: N, or fewer. */
    public int landmarks() {
      return landmarks;
    }

    /** What should be known before the picture is believed. */
    public List<String> warnings() {
      return warnings;
    }

    private static double[][] copy(double[][] rows) {
      return Arrays.stream(rows).map(double[]::clone).toArray(double[][]::new);
    }
  }

  private final Options options;

  public Phate(Options options) {
    Settings.check(options);
    this.options = options;
  }

  public Options options() {
    return options;
  }

  /**
   * Embeds points whose distances are known.
   *
   * @param distances [N x N], symmetric, with 0 on the diagonal; on the host
   * @throws NumericalException for distances that are negative, not finite or not symmetric, naming
   *     the points
   * @throws IllegalArgumentException for fewer than knn + 2 points
   */
  public Result fit(Matrix distances, Workspace ws) {
    AlphaDecay.require(distances, options.knn());
    CanonicalOrder order = CanonicalOrder.of(distances, options.seed(), ws);
    try (Opened opened = new Opened()) {
      Matrix sorted = opened.add(order.apply(distances, ws));
      AlphaDecay affinities = AlphaDecay.of(sorted, options.knn(), options.decay());
      if (distances.rows() > options.landmarks()) {
        Landmarks landmarks = opened.add(Landmarks.of(sorted, affinities, options.landmarks()));
        Result between = embedded(landmarks.kernel(), affinities, ws);
        return restored(between, landmarks.extend(between.points), new double[0][], order);
      }
      Result result = embedded(opened.add(affinities.kernel(sorted, ws)), affinities, ws);
      return restored(result, result.points, result.potential, order);
    }
  }

  /**
   * Embeds points whose affinities are known, such as those of {@link SliceKernel}: without
   * landmarks, however many they are.
   *
   * @param kernel [N x N], symmetric, at least 0; on the host
   * @throws NumericalException for affinities that are negative, not finite or not symmetric,
   *     naming the points
   */
  public Result fitKernel(Matrix kernel, Workspace ws) {
    Diffusion.require(kernel);
    CanonicalOrder order = CanonicalOrder.of(kernel, options.seed(), ws);
    try (Matrix sorted = order.apply(kernel, ws)) {
      double[] none = {};
      Result result = embedded(sorted, new AlphaDecay(none, options.decay(), 0, 0), ws);
      return restored(result, result.points, result.potential, order);
    }
  }

  private Result embedded(Matrix kernel, AlphaDecay affinities, Workspace ws) {
    try (Opened opened = new Opened()) {
      Diffusion walk = opened.add(Diffusion.of(kernel, ws));
      double[] entropy = {};
      int t = options.t();
      if (t == 0) {
        double[] spectrum =
            options.spectrum() == Spectrum.EIGENVALUES
                ? walk.eigenvalues()
                : walk.singularValues(ws);
        entropy = Diffusion.entropy(spectrum, options.most());
        t = Diffusion.knee(entropy);
      }
      ws.cancellation().check();
      Matrix potential = opened.add(Potential.of(walk.power(t, ws), options.gamma(), ws));
      Matrix apart = opened.add(Potential.distances(potential, options.metric(), ws));
      Mds.Result found = Mds.of(apart, options.dimensions(), options.solver(), options.seed(), ws);
      int components = walk.components();
      return new Result(
          found.points(),
          potential.toArray(),
          t,
          entropy,
          affinities,
          components,
          found.relative(),
          Math.toIntExact(kernel.rows()),
          warnings(affinities.duplicates(), components, options.gamma()));
    }
  }

  private static List<String> warnings(long duplicates, int components, double gamma) {
    List<String> warnings = new ArrayList<>();
    if (duplicates > 0) {
      warnings.add(duplicates + " pairs of points lie at distance 0");
    }
    if (components > 1) {
      warnings.add(
          "the points fall into %d groups that no walk connects: how far these lie apart in the picture says nothing; a larger knn connects them"
              .formatted(components));
    }
    if (gamma != Potential.taken(gamma)) {
      warnings.add(
          "gamma %s was computed as %s: potentials of what lies between that and 1 are nearly equal; 1 takes logarithms"
              .formatted(gamma, Potential.taken(gamma)));
    }
    return warnings;
  }

  /** With these points and potentials, all in the order in which the points came. */
  private static Result restored(
      Result result, double[][] points, double[][] potential, CanonicalOrder order) {
    double[] bandwidth = result.affinities.bandwidth();
    return new Result(
        order.restored(points),
        potential.length == 0 ? potential : order.restoredBoth(potential),
        result.t,
        result.entropy,
        result.affinities.withBandwidth(
            bandwidth.length == 0 ? bandwidth : order.restored(bandwidth)),
        result.components,
        result.stress,
        result.landmarks,
        result.warnings);
  }
}
