// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.align.Aligner.Trait;
import org.merganser.model.MapFamily;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Oracle;

/** Measures the traits of an aligner on activations; what it does not declare must not hold. */
final class AlignerTraits {
  private static final int N = 12;
  private static final double SAME = 1e-8;
  private static final double OTHER = 1e-3;

  private static final double[][] X = Oracle.relu(Oracle.gaussian(300, N, 1));
  private static final double[][] Y = Oracle.relu(Oracle.multiply(X, Oracle.mixing(N, 2)));

  private AlignerTraits() {}

  static void check(Aligner aligner) {
    undoes(aligner, Trait.UNDOES_PERMUTATIONS, permutation());
    undoes(aligner, Trait.UNDOES_ROTATIONS, Oracle.orthogonal(N, 5));
    undoes(aligner, Trait.UNDOES_SCALE, Oracle.scale(Oracle.identity(N), 2.5));
    undoes(aligner, Trait.UNDOES_FEATURE_SCALES, scales());
    for (double unit : new double[] {1e-6, 0.37, 1e5}) {
      double[][] found = map(aligner, Oracle.scale(X, unit), Oracle.scale(Y, unit));
      holds(aligner, Trait.IGNORES_UNIT, found, map(aligner, X, Y));
    }
    holds(aligner, Trait.KEEPS_EQUAL_MODELS, map(aligner, X, X), Oracle.identity(N));
  }

  /** {@code T(x, A y) A = T(x, y)}. */
  private static void undoes(Aligner aligner, Trait trait, double[][] a) {
    double[][] changed = Oracle.multiply(Y, Oracle.transpose(a));
    holds(aligner, trait, Oracle.multiply(map(aligner, X, changed), a), map(aligner, X, Y));
  }

  private static void holds(Aligner aligner, Trait trait, double[][] found, double[][] wanted) {
    double apart = 0;
    double size = 0;
    for (int r = 0; r < N; r++) {
      for (int c = 0; c < N; c++) {
        apart = Math.max(apart, Math.abs(found[r][c] - wanted[r][c]));
        size = Math.max(size, Math.abs(wanted[r][c]));
      }
    }
    String what = aligner.id() + ": " + trait;
    if (aligner.traits().contains(trait)) {
      assertThat(apart / size).as(what).isLessThan(SAME);
    } else {
      assertThat(apart / size).as(what + " holds and is not declared").isGreaterThan(OTHER);
    }
  }

  private static double[][] map(Aligner aligner, double[][] x, double[][] y) {
    AlignmentProblem problem =
        AlignmentProblem.of(
            Activations.oneSpace(N, MapFamily.PERMUTATION),
            Activations.of(Activations.moments(Precision.F64, WS, x, y)));
    try (AlignmentSet found = aligner.align(problem, WS)) {
      return found.of(1).map("s").toMatrix(WS).toArray();
    }
  }

  private static double[][] permutation() {
    return Oracle.columns(Oracle.identity(N), Oracle.permutation(N, 3));
  }

  private static double[][] scales() {
    SplittableRandom random = new SplittableRandom(4);
    double[][] scales = Oracle.identity(N);
    Arrays.setAll(
        scales,
        r -> {
          scales[r][r] = random.nextDouble(0.2, 5);
          return scales[r];
        });
    return scales;
  }
}
