// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;

/**
 * How one KV head of the source with its query heads becomes one of the target: an order of the
 * query heads, a rotation of values, and phases of keys and queries, each the best for the others
 * in turn, until the value stops rising.
 */
final class GroupFit {
  /** What may change. */
  record Freedom(boolean order, RotationFit.Freedom values, QueryKeyFit.Freedom queryKey) {
    /** Without factors. */
    Freedom withoutScales() {
      return new Freedom(order, values.withoutScale(), queryKey.withoutScales());
    }
  }

  private static final int TURNS = 10;

  private final int size;
  private final int group;
  private final double[] values;
  private final double[][][] outputs;
  private final RotationFit rotation;
  private final QueryKeyFit queryKey;
  private final boolean order;
  private int[] queries;
  private double value = Double.NEGATIVE_INFINITY;

  GroupFit(HeadProducts products, int target, int source, Freedom freedom) {
    this.size = products.size();
    this.group = products.group();
    this.order = freedom.order();
    this.values = products.values().block(target, source, size);
    this.outputs = new double[group][group][];
    double outputSquare = 0;
    for (int i = 0; i < group; i++) {
      outputSquare += products.outputs().square(source * group + i, size);
      for (int j = 0; j < group; j++) {
        outputs[j][i] = products.outputs().block(target * group + j, source * group + i, size);
      }
    }
    double valueSquare = products.values().square(source, size);
    this.rotation = new RotationFit(size, freedom.values(), valueSquare, outputSquare);
    this.queryKey = QueryKeyFit.of(products, target, source, freedom.queryKey());
  }

  /**
   * Fits from scratch or from an earlier fit, which is only left for something better.
   *
   * @param start null for none
   */
  GroupFit fit(HeadSymmetry start, Workspace ws) {
    queries = start == null ? null : start.queries();
    if (start != null) {
      rotation.start(start.value());
      queryKey.start(start.queryKey());
    }
    if (!order || group == 1) {
      queries = IntStream.range(0, group).toArray();
    } else if (start == null) {
      rotation.fit(values, null, ws);
      queryKey.fit(null, ws);
      queries = matched(ws);
    }
    refit(ws);
    for (int turn = 1; turn < TURNS && order && group > 1; turn++) {
      int[] before = queries;
      double reached = value;
      Runnable kept = kept();
      queries = matched(ws);
      if (Arrays.equals(queries, before)) {
        break;
      }
      refit(ws);
      if (!(value > reached)) {
        kept.run();
        break;
      }
    }
    return this;
  }

  private Runnable kept() {
    int[] keptQueries = queries;
    double keptValue = value;
    Runnable keptRotation = rotation.kept();
    Runnable keptQueryKey = queryKey.kept();
    return () -> {
      queries = keptQueries;
      value = keptValue;
      keptRotation.run();
      keptQueryKey.run();
    };
  }

  private void refit(Workspace ws) {
    double[] sum = new double[size * size];
    for (int j = 0; j < group; j++) {
      double[] block = outputs[j][queries[j]];
      for (int e = 0; e < sum.length; e++) {
        sum[e] += block[e];
      }
    }
    rotation.fit(values, sum, ws);
    queryKey.fit(queries, ws);
    value = rotation.value() + queryKey.value();
  }

  private int[] matched(Workspace ws) {
    double[][] gain = new double[group][group];
    for (int j = 0; j < group; j++) {
      for (int i = 0; i < group; i++) {
        gain[j][i] = queryKey.ofQuery(j, i) + rotation.ofY(outputs[j][i]);
      }
    }
    return Matchings.best(gain, ws);
  }

  /** What the group contributes to half of the fall of the squared distance. */
  double value() {
    return value;
  }

  HeadSymmetry found(int source) {
    boolean same = rotation.isIdentity();
    double[] none = {};
    double[] inverse = same ? none : Squares.transpose(rotation.ofY());
    return new HeadSymmetry(
        source, queries, same ? none : rotation.ofX(), inverse, queryKey.found(), none);
  }
}
