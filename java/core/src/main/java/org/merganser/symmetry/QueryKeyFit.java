// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.Workspace;

/** How keys of a head and the queries that meet them become those of the target. */
interface QueryKeyFit {
  /**
   * What may change: of rotary heads or of others.
   *
   * @param rotary null where there is no rotary embedding
   * @param dense null where there is
   */
  record Freedom(RotaryFit.Freedom rotary, RotationFit.Freedom dense) {
    Freedom withoutScales() {
      RotaryFit.Freedom phases =
          rotary == RotaryFit.Freedom.PHASE_AND_RATIO ? RotaryFit.Freedom.PHASE : rotary;
      return new Freedom(phases, dense == null ? null : dense.withoutScale());
    }
  }

  /** Starts from an earlier fit, where what is found depends on that. */
  void start(HeadSymmetry.QueryKey earlier);

  /** What brings back this fit after others. */
  Runnable kept();

  /**
   * The best for an order of query heads.
   *
   * @param queries null while it is not known: keys alone count
   */
  void fit(int[] queries, Workspace ws);

  /** What query head i of the source contributes as query head j. */
  double ofQuery(int j, int i);

  double value();

  HeadSymmetry.QueryKey found();

  static QueryKeyFit of(HeadProducts products, int target, int source, Freedom freedom) {
    return freedom.rotary() == null
        ? new Dense(products, target, source, freedom.dense())
        : new Rotary(products, target, source, freedom.rotary());
  }

  /** Phases of pairs. */
  final class Rotary implements QueryKeyFit {
    private final PairSums keys;
    private final PairSums[][] queries;
    private final RotaryFit fit;

    private Rotary(HeadProducts products, int target, int source, RotaryFit.Freedom freedom) {
      int size = products.size();
      int group = products.group();
      keys = PairSums.of(products.keys().block(target, source, size), size);
      queries = new PairSums[group][group];
      double[] squares = new double[size / 2];
      for (int i = 0; i < group; i++) {
        double[] each = products.queries().pairSquares(source * group + i, size);
        for (int p = 0; p < squares.length; p++) {
          squares[p] += each[p];
        }
        for (int j = 0; j < group; j++) {
          double[] block = products.queries().block(target * group + j, source * group + i, size);
          queries[j][i] = PairSums.of(block, size);
        }
      }
      fit = new RotaryFit(freedom, products.keys().pairSquares(source, size), squares);
    }

    /** Phases and ratios are the best there are, wherever one starts. */
    @Override
    public void start(HeadSymmetry.QueryKey earlier) {}

    @Override
    public Runnable kept() {
      return fit.kept();
    }

    @Override
    public void fit(int[] order, Workspace ws) {
      PairSums sum = order == null ? null : new PairSums(keys.re.length);
      for (int j = 0; order != null && j < order.length; j++) {
        sum.add(queries[j][order[j]]);
      }
      fit.fit(keys, sum);
    }

    @Override
    public double ofQuery(int j, int i) {
      return fit.ofQuery(queries[j][i]);
    }

    @Override
    public double value() {
      return fit.value();
    }

    @Override
    public HeadSymmetry.QueryKey found() {
      return fit.found();
    }
  }

  /** A rotation of the whole head. */
  final class Dense implements QueryKeyFit {
    private final double[] keys;
    private final double[][][] queries;
    private final RotationFit fit;

    private Dense(HeadProducts products, int target, int source, RotationFit.Freedom freedom) {
      int size = products.size();
      int group = products.group();
      keys = products.keys().block(target, source, size);
      queries = new double[group][group][];
      double square = 0;
      for (int i = 0; i < group; i++) {
        square += products.queries().square(source * group + i, size);
        for (int j = 0; j < group; j++) {
          queries[j][i] = products.queries().block(target * group + j, source * group + i, size);
        }
      }
      fit = new RotationFit(size, freedom, products.keys().square(source, size), square);
    }

    @Override
    public void start(HeadSymmetry.QueryKey earlier) {
      fit.start(((HeadSymmetry.Dense) earlier).key());
    }

    @Override
    public Runnable kept() {
      return fit.kept();
    }

    @Override
    public void fit(int[] order, Workspace ws) {
      double[] sum = order == null ? null : new double[keys.length];
      for (int j = 0; order != null && j < order.length; j++) {
        double[] block = queries[j][order[j]];
        for (int e = 0; e < sum.length; e++) {
          sum[e] += block[e];
        }
      }
      fit.fit(keys, sum, ws);
    }

    @Override
    public double ofQuery(int j, int i) {
      return fit.ofY(queries[j][i]);
    }

    @Override
    public double value() {
      return fit.value();
    }

    @Override
    public HeadSymmetry.QueryKey found() {
      return fit.isIdentity()
          ? HeadSymmetry.Dense.IDENTITY
          : new HeadSymmetry.Dense(fit.ofX(), fit.ofY());
    }
  }
}
