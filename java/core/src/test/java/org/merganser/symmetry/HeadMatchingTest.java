// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** How heads of one model are fitted to those of another. */
class HeadMatchingTest {
  /** All orders of groups and of heads in them, each with its best rotation and phases. */
  @Cases(10)
  void headsThatWereMovedAreFound(Draw draw) {
    int size = 4;
    int[] sources = Oracle.permutation(3, draw.seed());
    int[][] queries = new int[3][];
    double[][] q = Oracle.gaussian(6 * size, 9, draw.seed());
    double[][] k = Oracle.gaussian(3 * size, 9, draw.seed() + 1);
    double[][] v = Oracle.gaussian(3 * size, 9, draw.seed() + 2);
    double[][] o = Oracle.gaussian(6 * size, 9, draw.seed() + 3);
    double[][] qt = new double[q.length][];
    double[][] kt = new double[k.length][];
    double[][] vt = new double[k.length][];
    double[][] ot = new double[q.length][];
    double[][] phases = new double[3][];
    for (int t = 0; t < 3; t++) {
      queries[t] = Oracle.permutation(2, draw.seed() * 5 + t);
      phases[t] = new SplittableRandom(draw.seed() + t).doubles(2, -3, 3).toArray();
      double[][] a = Oracle.orthogonal(size, draw.seed() + t);
      put(kt, t, size, ClosedFormsTest.turned(head(k, sources[t], size), phases[t]));
      put(vt, t, size, Oracle.multiply(a, head(v, sources[t], size)));
      for (int j = 0; j < 2; j++) {
        int from = 2 * sources[t] + queries[t][j];
        put(qt, 2 * t + j, size, ClosedFormsTest.turned(head(q, from, size), phases[t]));
        put(ot, 2 * t + j, size, Oracle.multiply(a, head(o, from, size)));
      }
    }
    GroupFit.Freedom freedom =
        new GroupFit.Freedom(
            true,
            RotationFit.Freedom.ROTATION,
            new QueryKeyFit.Freedom(RotaryFit.Freedom.PHASE, null));
    try (Workspace ws = Workspace.open()) {
      HeadProducts products =
          new HeadProducts(size, part(qt, q), part(kt, k), part(vt, v), part(ot, o));
      var found = HeadMatching.match(products, freedom, null, ws);
      for (int t = 0; t < 3; t++) {
        assertThat(found.get(t).source()).isEqualTo(sources[t]);
        assertThat(found.get(t).queries()).containsExactly(queries[t]);
        HeadSymmetry.Rotary rotary = (HeadSymmetry.Rotary) found.get(t).queryKey();
        assertThat(rotary.phase()).containsExactly(phases[t], within(1e-12));
      }
      assertThat(HeadMatching.match(products, freedom, found, ws)).isEqualTo(found);
    }
  }

  /**
   * Where what is large asks for one rotation and what is small for another, there are local optima
   * at a large and at a small factor: from either, a fit that goes on, in one order or with orders
   * taking turns, is no worse, and worth what it says.
   */
  @Cases(60)
  void anEarlierFitIsOnlyLeftForABetterOne(Draw draw) {
    int size = 4;
    int group = 3;
    boolean rotary = draw.seed() % 2 == 0;
    SplittableRandom random = new SplittableRandom(draw.seed());
    double[][][] source = new double[4][][];
    double[][][] target = new double[4][][];
    for (int k = 0; k < 4; k++) {
      int heads = k == 0 || k == 3 ? group : 1;
      source[k] = Oracle.gaussian(heads * size, 9, random.nextLong());
      target[k] = new double[heads * size][];
      double[][] turn = Oracle.orthogonal(size, random.nextLong());
      double grown = (4 + 2 * random.nextDouble()) / Math.sqrt(heads);
      for (int h = 0; h < heads; h++) {
        double[][] head = Oracle.multiply(turn, head(source[k], h, size));
        put(target[k], h, size, Oracle.scale(head, grown));
      }
    }
    HeadProducts products =
        new HeadProducts(
            size,
            part(target[0], source[0]),
            part(target[1], source[1]),
            part(target[2], source[2]),
            part(target[3], source[3]));
    try (Workspace ws = Workspace.open()) {
      for (double factor : new double[] {0.01, 0.1, 1, 10, 100}) {
        HeadSymmetry start = scaled(factor, Oracle.permutation(group, random.nextLong()), rotary);
        GroupFit.Freedom free = scaled(true, rotary);
        GroupFit first = new GroupFit(products, 0, 0, free).fit(start, ws);
        HeadSymmetry found = first.found(0);
        GroupFit again = new GroupFit(products, 0, 0, free).fit(found, ws);
        double norms = distance(source, new double[4][0][]);
        assertThat(again.value()).isGreaterThanOrEqualTo(first.value() - 1e-12 * norms);
        double fall = distance(target, source) - distance(target, moved(found, size, source));
        double worth = first.value() - value(target, source);
        assertThat(fall / 2).isCloseTo(worth, within(1e-11 * (norms + Math.abs(worth))));
        HeadSymmetry ordered = scaled(factor, new int[] {0, 1, 2}, rotary);
        assertThat(new GroupFit(products, 0, 0, free).fit(ordered, ws).value())
            .isGreaterThanOrEqualTo(
                new GroupFit(products, 0, 0, scaled(false, rotary)).fit(ordered, ws).value()
                    - 1e-12 * norms);
      }
    }
  }

  private static GroupFit.Freedom scaled(boolean order, boolean rotary) {
    RotationFit.Freedom scaled = RotationFit.Freedom.ROTATION_AND_SCALE;
    return new GroupFit.Freedom(
        order,
        scaled,
        rotary
            ? new QueryKeyFit.Freedom(RotaryFit.Freedom.PHASE_AND_RATIO, null)
            : new QueryKeyFit.Freedom(null, scaled));
  }

  private static HeadSymmetry scaled(double factor, int[] queries, boolean rotary) {
    double[] x = Arrays.stream(Squares.identity(4)).map(e -> factor * e).toArray();
    double[] y = Arrays.stream(Squares.identity(4)).map(e -> e / factor).toArray();
    return new HeadSymmetry(
        0,
        queries,
        x,
        y,
        rotary ? HeadSymmetry.Rotary.identity(2) : new HeadSymmetry.Dense(x, y),
        new double[0]);
  }

  /** Queries, keys, values, and what reads these. */
  private static double[][][] moved(HeadSymmetry head, int size, double[][][] source) {
    MovedHeads moved = new MovedHeads(List.of(head), size);
    return new double[][][] {
      moved.queries(Matrix.of(source[0])).toArray(),
      moved.keys(Matrix.of(source[1])).toArray(),
      moved.values(Matrix.of(source[2])).toArray(),
      moved.outputs(Matrix.of(source[3])).toArray()
    };
  }

  /** Of heads as they are. */
  private static double value(double[][][] target, double[][][] source) {
    double sum = 0;
    for (int k = 0; k < target.length; k++) {
      sum += ClosedFormsTest.inner(target[k], source[k]);
    }
    return sum;
  }

  private static double distance(double[][][] target, double[][][] moved) {
    double sum = 0;
    for (int k = 0; k < target.length; k++) {
      double[] here = Oracle.flat(target[k]);
      double[] there = moved[k].length == 0 ? new double[here.length] : Oracle.flat(moved[k]);
      sum += WeightPair.squaredDistance(new double[][] {here, there});
    }
    return sum;
  }

  private static HeadProducts.Part part(double[][] target, double[][] source) {
    double[] squares = Arrays.stream(source).mapToDouble(row -> Rows.dot(row, row)).toArray();
    return HeadProducts.Part.of(Matrix.of(ClosedFormsTest.products(target, source)), squares);
  }

  private static double[][] head(double[][] rows, int head, int size) {
    return Arrays.copyOfRange(rows, head * size, (head + 1) * size);
  }

  private static void put(double[][] rows, int head, int size, double[][] part) {
    System.arraycopy(part, 0, rows, head * size, size);
  }
}
