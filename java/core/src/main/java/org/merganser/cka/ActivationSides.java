// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.List;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.Workspace;
import org.merganser.internal.Directions;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;

/**
 * Activations, centred.
 *
 * @param positions rows of a sample
 */
record ActivationSides(Matrix x, Matrix y, int positions, Workspace ws) implements Sides {
  /**
   * Activations as they are, which stay their owner's.
   *
   * @param x [samples positions x p]
   */
  record Given(Matrix x, Matrix y, Blocks blocks) implements Source {
    @Override
    public long featuresX() {
      return x.columns();
    }

    @Override
    public Sides open(int[] samples, Workspace ws) {
      if (samples.length == blocks.samples()) {
        return centred(x, y, ws);
      }
      int[] rows = blocks.rowsOf(samples);
      try (Matrix someX = Samples.rows(x, rows, ws);
          Matrix someY = Samples.rows(y, rows, ws)) {
        return centred(someX, someY, ws);
      }
    }

    private Sides centred(Matrix someX, Matrix someY, Workspace ws) {
      try (Opened opened = new Opened()) {
        Matrix left = opened.add(Samples.centred("X", someX, ws));
        Matrix right = opened.add(Samples.centred("Y", someY, ws));
        opened.release();
        return new ActivationSides(left, right, blocks.positions(), ws);
      }
    }
  }

  @Override
  public long featuresX() {
    return x.columns();
  }

  @Override
  public long featuresY() {
    return y.columns();
  }

  @Override
  public GramPair pair(CkaKernel kernel) {
    return GramPair.of(kernel, x, y, positions, ws);
  }

  @Override
  public Matrix linear() {
    return Gram.linear(x, ws);
  }

  @Override
  public Significance significance(
      GramPair pair, CkaKernel kernel, int permutations, int[] groups) {
    if (!kernel.isLinear() || !PermutedFeatures.pays(x, y)) {
      return PermutationTest.of(pair, permutations, groups, ws);
    }
    try (PermutedFeatures features = PermutedFeatures.of(x, y, ws)) {
      return PermutationTest.of(pair, features::products, permutations, groups, ws);
    }
  }

  @Override
  public TranslationCurves curves(Matrix linear, double[] unseen) {
    double[] v =
        unseen == null ? Directions.moved(Math.toIntExact(x.columns()), ws.seed()) : unseen;
    return new TranslationCurves(
        linear,
        new Blocks(Math.toIntExact(x.rows() / positions), positions),
        direction -> CkaSensitivity.projections(x, direction, ws),
        CkaSensitivity.projections(x, v, ws),
        unseen != null,
        ws);
  }

  @Override
  public List<Check> checks(CkaKernel kernel) {
    return InvarianceCheck.of(x, y, kernel, ws);
  }

  @Override
  public List<Opinion> opinions(CkaKernel kernel) {
    return SecondOpinions.of(new Rows(this), kernel, positions == 1 ? "samples" : "rows", ws);
  }

  /** The activations as they are. */
  private record Rows(ActivationSides of) implements SecondOpinions.Part {
    @Override
    public int rows() {
      return Math.toIntExact(of.x.rows());
    }

    @Override
    public long featuresX() {
      return of.x.columns();
    }

    @Override
    public long featuresY() {
      return of.y.columns();
    }

    @Override
    public long decomposed() {
      return Math.max(featuresX(), featuresY());
    }

    @Override
    public GramPair pair(CkaKernel kernel) {
      return of.pair(kernel);
    }

    @Override
    public Matrix x(int[] rows) {
      return rows.length == rows() ? of.x.on(of.ws) : Samples.rows(of.x, rows, of.ws);
    }

    @Override
    public Matrix y(int[] rows) {
      return rows.length == rows() ? of.y.on(of.ws) : Samples.rows(of.y, rows, of.ws);
    }
  }

  @Override
  public void close() {
    x.close();
    y.close();
  }
}
