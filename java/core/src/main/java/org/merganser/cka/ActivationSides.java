// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.List;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.Workspace;
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
        unseen == null
            ? CkaSensitivity.random(Math.toIntExact(x.columns()), TranslationCurves.seed(ws))
            : unseen;
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
    return SecondOpinions.of(x, y, kernel, positions == 1 ? "samples" : "rows", ws);
  }

  @Override
  public void close() {
    x.close();
    y.close();
  }
}
