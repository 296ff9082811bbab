// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.SimilarityMeasure.Invariance;
import org.merganser.similarity.SimilarityMeasure.Kind;
import org.merganser.similarity.SimilarityMeasure.Side;
import org.merganser.similarity.SimilarityMeasure.Trait;
import org.merganser.testing.Oracle;

/**
 * Measures what a measure declares, on pairs of several shapes: what is declared holds for all of
 * them, what is not fails for one at least.
 */
final class MeasureTraits {
  private static final double SAME = 1e-8;

  /** Of a distance near 0, the root of what rounding leaves. */
  private static final double SAME_AS_ITSELF = 1e-6;

  private static final double OTHER = 1e-3;

  /** Two representations of the same samples. */
  record Sides(double[][] x, double[][] y) {}

  static final List<Sides> SHAPES =
      List.of(
          sides(280, 12, 15, 1),
          sides(280, 15, 12, 2),
          sides(280, 12, 12, 3),
          sides(40, 50, 46, 4));

  private MeasureTraits() {}

  /** Related, of unlike features that are away from 0; distances are about 1. */
  static Sides sides(int n, int p, int q, long seed) {
    double[][] hidden = Oracle.gaussian(n, 14, seed);
    return new Sides(features(hidden, p, seed + 100), features(hidden, q, seed + 200));
  }

  private static double[][] features(double[][] hidden, int p, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[][] mixed = Oracle.multiply(hidden, Oracle.gaussian(hidden[0].length, p, seed));
    double[][] noise = Oracle.gaussian(hidden.length, p, seed + 1000);
    for (int j = 0; j < p; j++) {
      double scale = random.nextDouble(0.2, 1.5) / Math.sqrt(p);
      double shift = random.nextDouble(-0.5, 0.5);
      for (int i = 0; i < hidden.length; i++) {
        mixed[i][j] = scale * (Math.tanh(mixed[i][j] / 3) + 0.3 * noise[i][j]) + shift;
      }
    }
    return mixed;
  }

  static void check(SimilarityMeasure measure) {
    double[] plain = SHAPES.stream().mapToDouble(s -> of(measure, s)).toArray();
    for (Invariance change : Invariance.values()) {
      holds(measure, plain, Side.X, change);
      holds(measure, plain, Side.Y, change);
    }
    holds(measure, Trait.IGNORES_ORDER, worst(measure, plain, MeasureTraits::reordered), SAME);
    double sides = worst(measure, plain, s -> new Sides(s.y(), s.x()));
    holds(measure, Trait.SYMMETRIC, sides, SAME);
    double wanted = measure.kind() == Kind.SIMILARITY ? 1 : 0;
    double self =
        SHAPES.stream()
            .mapToDouble(s -> Math.abs(of(measure, s.x(), s.x()) - wanted))
            .max()
            .orElseThrow();
    holds(measure, Trait.NORMALISED, self, SAME_AS_ITSELF);
  }

  private static void holds(
      SimilarityMeasure measure, double[] plain, Side side, Invariance change) {
    double worst =
        worst(
            measure,
            plain,
            s ->
                side == Side.X
                    ? new Sides(change(change, s.x()), s.y())
                    : new Sides(s.x(), change(change, s.y())));
    String what = measure + " " + measure.options() + ", " + side + ": " + change;
    if (measure.invariances(side).contains(change)) {
      assertThat(worst).as(what).isLessThan(SAME);
    } else {
      assertThat(worst).as(what + " holds and is not declared").isGreaterThan(OTHER);
    }
  }

  private static void holds(SimilarityMeasure measure, Trait trait, double worst, double same) {
    String what = measure + " " + measure.options() + ": " + trait;
    if (measure.traits().contains(trait)) {
      assertThat(worst).as(what).isLessThan(same);
    } else {
      assertThat(worst).as(what + " holds and is not declared").isGreaterThan(OTHER);
    }
  }

  /** The largest change of a value, in units of its size where values have no bounds. */
  private static double worst(
      SimilarityMeasure measure, double[] plain, UnaryOperator<Sides> change) {
    boolean bounded = Double.isFinite(measure.least()) && Double.isFinite(measure.greatest());
    return IntStream.range(0, plain.length)
        .mapToDouble(
            i ->
                Math.abs(plain[i] - of(measure, change.apply(SHAPES.get(i))))
                    / (bounded ? 1 : Math.abs(plain[i])))
        .max()
        .orElseThrow();
  }

  static double of(SimilarityMeasure measure, Sides sides) {
    return of(measure, sides.x(), sides.y());
  }

  static double of(SimilarityMeasure measure, double[][] x, double[][] y) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      return measure.between(left, right, WS).value();
    }
  }

  private static Sides reordered(Sides s) {
    int[] order = Oracle.permutation(s.x().length, 5);
    UnaryOperator<double[][]> reorder =
        rows -> Arrays.stream(order).mapToObj(i -> rows[i]).toArray(double[][]::new);
    return new Sides(reorder.apply(s.x()), reorder.apply(s.y()));
  }

  static double[][] change(Invariance change, double[][] x) {
    int p = x[0].length;
    SplittableRandom random = new SplittableRandom(9);
    return switch (change) {
      case COMMON_SHIFT -> Oracle.map(x, v -> v + 0.7);
      case TRANSLATION -> {
        double[] shift = random.doubles(p, -1, 1).toArray();
        yield rows(x, (row, j) -> row[j] + shift[j]);
      }
      case PERMUTATION -> Oracle.columns(x, Oracle.permutation(p, 6));
      case ORTHOGONAL -> Oracle.multiply(x, Oracle.orthogonal(p, 7));
      case ISOTROPIC_SCALE -> Oracle.scale(x, 2.5);
      case FEATURE_SCALES -> {
        double[] scales = random.doubles(p, -3, 3).map(Math::exp).toArray();
        yield rows(x, (row, j) -> row[j] * scales[j]);
      }
      case INVERTIBLE -> {
        double[][] map = Oracle.orthogonal(p, 8);
        double[] scales = random.doubles(p, 0.2, 5).toArray();
        yield Oracle.multiply(
            rows(Oracle.multiply(x, map), (row, j) -> row[j] * scales[j]),
            Oracle.orthogonal(p, 10));
      }
    };
  }

  private interface Element {
    double of(double[] row, int column);
  }

  private static double[][] rows(double[][] x, Element element) {
    return Arrays.stream(x)
        .map(
            row -> {
              double[] changed = new double[row.length];
              Arrays.setAll(changed, j -> element.of(row, j));
              return changed;
            })
        .toArray(double[][]::new);
  }
}
