// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.stats.NonFinite;

/**
 * How much of the space of the first k left singular vectors of one side lies in that of the other:
 * {@code |U_k^T V_k|^2 / k}, the mean squared cosine of the principal angles between them, which
 * {@link #principalAngles} gives one by one.
 *
 * <p>k may be at most the lower rank. Where the k-th and the next singular value are equal, the
 * space is not determined by the data. Cost O(n(p^2 + q^2)).
 *
 * <p>Source: Björck and Golub 1973, "Numerical methods for computing angles between linear
 * subspaces".
 */
public final class SubspaceOverlap extends PairedMeasure {
  /** Settings. */
  public record Options(@Setting(value = "directions of each side", min = 1) int k) {
    public Options {
      Settings.check(Options.class, k);
    }

    /** 10 directions. */
    public static Options defaults() {
      return new Options(10);
    }

    public Options withK(int value) {
      return new Options(value);
    }
  }

  private final Options options;

  private SubspaceOverlap(Options options) {
    this.options = options;
  }

  public static SubspaceOverlap of(Options options) {
    return new SubspaceOverlap(options);
  }

  /** Of k directions. */
  public static SubspaceOverlap top(int k) {
    return new SubspaceOverlap(new Options(k));
  }

  @Override
  public String id() {
    return "subspace-overlap";
  }

  @Override
  public String summary() {
    return "shared part of the spaces of the first principal directions";
  }

  @Override
  public Options options() {
    return options;
  }

  /** Centred samples have a rank of one less than their number. */
  @Override
  public int minimumSamples() {
    return options.k() + 1;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    try (Basis x = Basis.of(pair.x(), ws);
        Basis y = Basis.of(pair.y(), ws);
        Matrix cosines =
            Basis.overlap(x, x.require("k", options.k()), y, y.require("k", options.k()), ws)) {
      double shared = HsicSums.inner(cosines, cosines, ws) / options.k();
      return Finding.of(Math.min(1, shared), Route.FEATURE);
    }
  }

  /**
   * The angles between both spaces in radians, the smallest first; errors as of {@code between}.
   */
  public double[] principalAngles(Matrix x, Matrix y, Workspace ws) {
    try (Pair pair = Pair.of(this, x, y, NonFinite.FAIL, ws);
        Basis left = Basis.of(pair.x(), ws);
        Basis right = Basis.of(pair.y(), ws)) {
      int k = Math.min(left.require("k", options.k()), right.require("k", options.k()));
      Correlations found = Correlations.of(left, k, right, k, pair.samples(), ws);
      return Arrays.stream(found.values()).map(Math::acos).toArray();
    }
  }
}
