// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.OptionalInt;
import org.merganser.compute.Workspace;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Canonical correlations of the main directions: of each side the fewest singular directions are
 * kept whose squared singular values have the wanted share of all, and the mean correlation of what
 * is kept is taken ({@link CanonicalCorrelation}).
 *
 * <p>Rotation and one factor leave it as it is; other invertible maps change which directions are
 * the main ones. Cost O(n(p^2 + q^2)).
 *
 * <p>Source: Raghu, Gilmer, Yosinski and Sohl-Dickstein 2017, "SVCCA".
 */
public final class Svcca extends PairedMeasure {
  /** Settings. */
  public record Options(
      @Setting(value = "of the variance, that the kept directions have", above = 0, max = 1)
          double share,
      @Setting(value = "directions to keep of each side instead", min = 1) OptionalInt dims) {
    public Options {
      Settings.check(Options.class, share, dims);
    }

    /** 0.99 of the variance. */
    public static Options defaults() {
      return new Options(0.99, OptionalInt.empty());
    }

    public Options withShare(double value) {
      return new Options(value, dims);
    }

    /** Keeps so many directions instead. */
    public Options withDims(int value) {
      return new Options(share, OptionalInt.of(value));
    }
  }

  private final Options options;

  private Svcca(Options options) {
    this.options = options;
  }

  public static Svcca of(Options options) {
    return new Svcca(options);
  }

  /** Keeps this share of the variance. */
  public static Svcca share(double share) {
    return new Svcca(new Options(share, OptionalInt.empty()));
  }

  /** Keeps k directions of each side. */
  public static Svcca dims(int k) {
    return new Svcca(new Options(Options.defaults().share(), OptionalInt.of(k)));
  }

  @Override
  public String id() {
    return "svcca";
  }

  @Override
  public String summary() {
    return "mean canonical correlation of the directions with most variance";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    try (Basis x = Basis.of(pair.x(), ws);
        Basis y = Basis.of(pair.y(), ws)) {
      int keptX = kept(x);
      int keptY = kept(y);
      Correlations found = Correlations.of(x, keptX, y, keptY, pair.samples(), ws);
      return found.finding(found.sum() / Math.min(keptX, keptY), pair.samples());
    }
  }

  private int kept(Basis basis) {
    if (options.dims().isPresent()) {
      return basis.require("dims", options.dims().getAsInt());
    }
    double[] s = basis.singularValues();
    double all = 0;
    for (double each : s) {
      all += each * each;
    }
    double sum = 0;
    int k = 0;
    while (k < basis.rank() && sum < options.share() * all) {
      sum += s[k] * s[k];
      k++;
    }
    return k;
  }
}
