// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * What is left between two representations after the best rotation, or the best order of features,
 * of one of them. With both sides centred and {@code m} the most of {@code trace(X^T Y Q)}, which
 * is the nuclear norm {@code |X^T Y|_*} over rotations Q and a linear assignment over permutations:
 *
 * <pre>
 *   procrustes-distance      sqrt(|X|^2 + |Y|^2 - 2 m)
 *   procrustes-normalised    sqrt(2 - 2 m / (|X| |Y|))
 *   procrustes-angular       arccos(m / (|X| |Y|))
 * </pre>
 *
 * Metrics, exact near 0 to 1e-8 of the norms. Sides of different widths are compared as if the
 * narrower one had features of 0 besides; over permutations, which then must match all features of
 * it, the triangle inequality is promised for equal widths only. Cost O(n p q + p q min(p, q)), and
 * O(n^2 (p + q)) where both have more features than samples.
 *
 * <p>Source: Schönemann 1966; Ding, Denain and Steinhardt 2021 for the normalised distance;
 * Williams et al. 2021 for the angle and permutations.
 */
public final class Procrustes extends PairedMeasure {
  /** How far apart is told. */
  public enum Form {
    DISTANCE,
    NORMALISED,
    ANGULAR
  }

  /** Settings of {@code procrustes-permutation}. */
  public record Options(
      @Setting("the distance, that of sides of norm 1, or the angle between sides") Form form) {
    public Options {
      Settings.check(Options.class, form);
    }

    /** The angle. */
    public static Options defaults() {
      return new Options(Form.ANGULAR);
    }

    public Options withForm(Form value) {
      return new Options(value);
    }
  }

  private final Form form;
  private final boolean permuted;

  private Procrustes(Form form, boolean permuted) {
    this.form = form;
    this.permuted = permuted;
  }

  /** In units of the activations. */
  public static Procrustes distance() {
    return new Procrustes(Form.DISTANCE, false);
  }

  /** Of sides of norm 1, in [0, sqrt 2]. */
  public static Procrustes normalised() {
    return new Procrustes(Form.NORMALISED, false);
  }

  /** An angle in [0, pi/2]. */
  public static Procrustes angular() {
    return new Procrustes(Form.ANGULAR, false);
  }

  /** Over orders of features instead of rotations. */
  public static Procrustes permutation(Options options) {
    return new Procrustes(options.form(), true);
  }

  @Override
  public String id() {
    return permuted
        ? "procrustes-permutation"
        : "procrustes-" + form.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String summary() {
    String what =
        switch (form) {
          case DISTANCE -> "distance";
          case NORMALISED -> "distance of sides of norm 1";
          case ANGULAR -> "angle";
        };
    return what + " after the best " + (permuted ? "order of features" : "rotation");
  }

  @Override
  public Record options() {
    return permuted ? new Options(form) : new NoOptions();
  }

  @Override
  public Kind kind() {
    return Kind.DISTANCE;
  }

  @Override
  public double greatest() {
    return switch (form) {
      case DISTANCE -> Double.POSITIVE_INFINITY;
      case NORMALISED -> permuted ? 2 : Math.sqrt(2);
      case ANGULAR -> permuted ? Math.PI : Math.PI / 2;
    };
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    Set<Invariance> kept = EnumSet.copyOf(form == Form.DISTANCE ? ISOMETRIES : SIMILARITIES);
    if (permuted) {
      kept.remove(Invariance.ORTHOGONAL);
    }
    return kept;
  }

  @Override
  public Set<Trait> traits() {
    return set(Trait.SYMMETRIC, Trait.METRIC, Trait.NORMALISED, Trait.IGNORES_ORDER);
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    NuclearNorm best = permuted ? assigned(pair, ws) : NuclearNorm.of(pair, ws);
    double x = Math.sqrt(pair.x().squaredNorm());
    double y = Math.sqrt(pair.y().squaredNorm());
    return Finding.of(value(best.value(), x, y), best.route())
        .detail("cosine", cosine(best.value(), x, y));
  }

  /**
   * @param best the most of {@code trace(X^T Y Q)}
   * @param x norm of the centred side
   */
  double value(double best, double x, double y) {
    return switch (form) {
      case DISTANCE -> Math.sqrt(Math.max(0, x * x + y * y - 2 * best));
      case NORMALISED -> Math.sqrt(2 - 2 * cosine(best, x, y));
      case ANGULAR -> Math.acos(cosine(best, x, y));
    };
  }

  private static double cosine(double best, double x, double y) {
    return Math.max(-1, Math.min(1, best / x / y));
  }

  boolean isPermuted() {
    return permuted;
  }

  private static NuclearNorm assigned(Pair pair, Workspace ws) {
    try (Matrix products = LinAlg.transposeMultiply(pair.x().centred(), pair.y().centred(), ws)) {
      return new NuclearNorm(MatchedFeatures.most(products, ws), Route.FEATURE);
    }
  }
}
