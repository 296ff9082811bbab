// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.testing.Oracle;

/**
 * The order of families, judged by what random members of them do to nonlinearities: exactly those
 * within the symmetry of one commute with it.
 */
class MapFamilyTest {
  private static final int N = 6;
  private static final double SAME = 1e-12;
  private static final double OTHER = 1e-4;

  /** {@code f(x)}, given the map whose features x is in, I at first: parameters are mapped too. */
  private interface Layer {
    double[] apply(double[] x, double[][] map);
  }

  /** A layer and the largest family that commutes with it. */
  private record Case(MapFamily symmetry, Layer layer) {}

  private static final double[] SCALE = {0.5, 1.5, -2, 0.25, 3, 1};
  private static final double[] SHIFT = {0.1, -0.2, 0.3, 0.7, -0.4, 1};

  private static final Map<String, Case> LAYERS = new LinkedHashMap<>();

  static {
    add("linear", MapFamily.ANY_LINEAR, elementwise(z -> 3 * z));
    add("relu", MapFamily.SCALED_PERMUTATION, elementwise(z -> Math.max(z, 0)));
    add("leaky relu", MapFamily.SCALED_PERMUTATION, elementwise(z -> z > 0 ? z : 0.1 * z));
    add("tanh", MapFamily.SIGNED_PERMUTATION, elementwise(Math::tanh));
    add("sigmoid", MapFamily.PERMUTATION, elementwise(z -> 1 / (1 + Math.exp(-z))));
    add("silu", MapFamily.PERMUTATION, elementwise(z -> z / (1 + Math.exp(-z))));
    add("gate", MapFamily.MONOMIAL, (x, t) -> times(x, spread(t, SCALE)));
    add("rms", MapFamily.ORTHOGONAL, (x, t) -> rms(x));
    add("rms+scale", MapFamily.SIGNED_PERMUTATION, (x, t) -> times(rms(x), spread(t, SCALE)));
    add("layer", MapFamily.CENTRED_ORTHOGONAL, (x, t) -> rms(centred(x)));
    add(
        "layer+scale+shift",
        MapFamily.PERMUTATION,
        (x, t) -> plus(times(rms(centred(x)), spread(t, SCALE)), product(t, SHIFT)));
    add("batch", MapFamily.SIGNED_PERMUTATION, MapFamilyTest::batchNorm);
    add("input", MapFamily.FIXED, (x, t) -> plus(elementwise(Math::exp).apply(x, t), SHIFT));
  }

  private static void add(String name, MapFamily symmetry, Layer layer) {
    LAYERS.put(name, new Case(symmetry, layer));
  }

  private static Layer elementwise(DoubleUnaryOperator f) {
    return (x, t) -> Arrays.stream(x).map(f).toArray();
  }

  @ParameterizedTest
  @EnumSource
  void membersCommuteWithExactlyTheLayersWhoseSymmetryContainsThem(MapFamily family) {
    for (int draw = 0; draw < 5; draw++) {
      double[][] member = member(family, 100 + draw);
      LAYERS.forEach((name, layer) -> assertCommutes(name, layer, member, family));
    }
  }

  /** A product lies in the join, and in nothing smaller. */
  @ParameterizedTest
  @EnumSource
  void productsOfMembersLieInTheJoin(MapFamily first) {
    for (MapFamily second : MapFamily.values()) {
      double[][] product = Oracle.multiply(member(first, 1), member(second, 2));
      LAYERS.forEach((name, layer) -> assertCommutes(name, layer, product, first.join(second)));
    }
  }

  /** What both of two layers on one space allow is the meet of what each allows. */
  @Test
  void spacesThatJoinAllowTheMeet() {
    for (Case a : LAYERS.values()) {
      for (Case b : LAYERS.values()) {
        MapFamily both = a.symmetry().meet(b.symmetry());
        for (MapFamily family : MapFamily.values()) {
          double[][] member = member(family, 3);
          boolean kept = error(a.layer(), member) < SAME && error(b.layer(), member) < SAME;
          assertThat(both.contains(family)).as("%s: %s in %s", family, a, b).isEqualTo(kept);
        }
      }
    }
  }

  private static void assertCommutes(String name, Case layer, double[][] member, MapFamily family) {
    double error = error(layer.layer(), member);
    String what = family + " through " + name;
    if (layer.symmetry().contains(family)) {
      assertThat(error).as(what).isLessThan(SAME);
    } else {
      assertThat(error).as(what).isGreaterThan(OTHER);
    }
  }

  /** The largest {@code |f(T x) - T f(x)|} over some x, relative to the largest output. */
  private static double error(Layer layer, double[][] t) {
    double worst = 0;
    double size = 0;
    for (double[] x : Oracle.gaussian(20, N, 7)) {
      double[] mapped = layer.apply(product(t, x), t);
      double[] wanted = product(t, layer.apply(x, Oracle.identity(N)));
      for (int i = 0; i < N; i++) {
        worst = Math.max(worst, Math.abs(mapped[i] - wanted[i]));
        size = Math.max(size, Math.abs(wanted[i]));
      }
    }
    return worst / size;
  }

  @Test
  void aRotationIsNoScaledPermutation() {
    assertThat(MapFamily.ORTHOGONAL.contains(MapFamily.SCALED_PERMUTATION)).isFalse();
    assertThat(MapFamily.SCALED_PERMUTATION.contains(MapFamily.ORTHOGONAL)).isFalse();
    assertThat(MapFamily.ORTHOGONAL.meet(MapFamily.SCALED_PERMUTATION))
        .isEqualTo(MapFamily.PERMUTATION);
    assertThat(MapFamily.ORTHOGONAL.meet(MapFamily.MONOMIAL))
        .isEqualTo(MapFamily.SIGNED_PERMUTATION);
  }

  /** Laws of a lattice, over all pairs and triples. */
  @Test
  void meetAndJoinAreThoseOfALattice() {
    for (MapFamily a : MapFamily.values()) {
      assertThat(a.meet(a)).isEqualTo(a);
      assertThat(a.join(a)).isEqualTo(a);
      assertThat(a.contains(MapFamily.FIXED)).isTrue();
      assertThat(MapFamily.ANY_LINEAR.contains(a)).isTrue();
      for (MapFamily b : MapFamily.values()) {
        assertThat(a.contains(b) && b.contains(a)).isEqualTo(a == b);
        assertThat(a.meet(b)).isEqualTo(b.meet(a));
        assertThat(a.join(b)).isEqualTo(b.join(a));
        assertThat(a.meet(a.join(b))).isEqualTo(a);
        assertThat(a.join(a.meet(b))).isEqualTo(a);
        assertThat(a.contains(b)).isEqualTo(a.meet(b) == b).isEqualTo(a.join(b) == a);
        for (MapFamily c : MapFamily.values()) {
          String what = a + ", " + b + ", " + c;
          assertThat(a.meet(b).meet(c)).as(what).isEqualTo(a.meet(b.meet(c)));
          assertThat(a.join(b).join(c)).as(what).isEqualTo(a.join(b.join(c)));
          assertThat(a.contains(c) && b.contains(c)).as(what).isEqualTo(a.meet(b).contains(c));
          assertThat(c.contains(a) && c.contains(b)).as(what).isEqualTo(c.contains(a.join(b)));
          if (a.contains(b) && b.contains(c)) {
            assertThat(a.contains(c)).as(what).isTrue();
          }
        }
      }
    }
  }

  /** A random member that lies in no smaller family. */
  private static double[][] member(MapFamily family, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    return switch (family) {
      case FIXED -> Oracle.identity(N);
      case PERMUTATION -> oneToOne(seed, i -> 1);
      case SIGNED_PERMUTATION -> oneToOne(seed, i -> i % 2 == 0 ? -1 : 1);
      case SCALED_PERMUTATION -> oneToOne(seed, i -> random.nextDouble(0.2, 4));
      case MONOMIAL -> oneToOne(seed, i -> (i % 3 == 0 ? -1 : 1) * random.nextDouble(0.2, 4));
      case CENTRED_ORTHOGONAL -> centredRotation(seed);
      case ORTHOGONAL -> Oracle.orthogonal(N, seed);
      case ANY_LINEAR -> Oracle.mixing(N, seed);
    };
  }

  private static double[][] oneToOne(long seed, DoubleUnaryOperator scale) {
    int[] order = Oracle.permutation(N, seed);
    double[][] t = new double[N][N];
    for (int r = 0; r < N; r++) {
      t[r][order[r]] = scale.applyAsDouble(r);
    }
    return t;
  }

  /** A rotation of the space orthogonal to the ones: {@code H diag(1, Q) H}, H taking e0 there. */
  private static double[][] centredRotation(long seed) {
    double[] v = new double[N];
    Arrays.fill(v, 1 / Math.sqrt(N));
    v[0] -= 1;
    double square = Arrays.stream(v).map(a -> a * a).sum();
    double[][] h = Oracle.identity(N);
    double[][] inner = Oracle.identity(N);
    double[][] q = Oracle.orthogonal(N - 1, seed);
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N; j++) {
        h[i][j] -= 2 * v[i] * v[j] / square;
        if (i > 0 && j > 0) {
          inner[i][j] = q[i - 1][j - 1];
        }
      }
    }
    return Oracle.multiply(Oracle.multiply(h, inner), h);
  }

  /** Factors that go with features: in their order under one-to-one maps, else mixed. */
  private static double[] spread(double[][] t, double[] scale) {
    boolean oneToOne =
        Arrays.stream(t).allMatch(row -> Arrays.stream(row).filter(e -> e != 0).count() == 1);
    return product(Oracle.map(t, e -> oneToOne && e != 0 ? 1 : e * e), scale);
  }

  private static double[] batchNorm(double[] x, double[][] t) {
    double[] mean = product(t, SHIFT);
    double[] variance = product(Oracle.map(t, e -> e * e), times(SCALE, SCALE));
    double[] z = new double[N];
    for (int r = 0; r < N; r++) {
      z[r] = (x[r] - mean[r]) / Math.sqrt(variance[r] + 0.1);
    }
    return plus(times(z, product(Oracle.map(t, Math::abs), SCALE)), mean);
  }

  private static double[] product(double[][] t, double[] x) {
    return Arrays.stream(t).mapToDouble(row -> sum(times(row, x))).toArray();
  }

  private static double sum(double[] x) {
    return Arrays.stream(x).sum();
  }

  private static double[] rms(double[] x) {
    double square = Arrays.stream(x).map(a -> a * a).sum() / N;
    return Arrays.stream(x).map(a -> a / Math.sqrt(square + 1e-6)).toArray();
  }

  private static double[] centred(double[] x) {
    double mean = Arrays.stream(x).average().orElseThrow();
    return Arrays.stream(x).map(a -> a - mean).toArray();
  }

  private static double[] times(double[] x, double[] scale) {
    double[] result = new double[N];
    for (int i = 0; i < N; i++) {
      result[i] = x[i] * scale[i];
    }
    return result;
  }

  private static double[] plus(double[] x, double[] y) {
    double[] result = new double[N];
    for (int i = 0; i < N; i++) {
      result[i] = x[i] + y[i];
    }
    return result;
  }
}
