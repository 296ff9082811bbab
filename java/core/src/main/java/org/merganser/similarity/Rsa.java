// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.RankCorrelation;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Representational similarity analysis: the dissimilarities between all pairs of samples {@code i <
 * j} on one side, compared with those on the other.
 *
 * <pre>
 *   dissimilarity   euclidean |x_i - x_j|, squared, correlation 1 - Pearson(x_i, x_j) over features,
 *                   cosine 1 - cos(x_i, x_j)
 *   compared by     spearman (ties have the mean of their ranks), pearson, kendall (tau-a), cosine
 * </pre>
 *
 * Euclidean ones know nothing of rotation, translation and unit. Correlation ignores a number that
 * is added to all features of a sample, but neither a shift that differs from feature to feature
 * nor rotation; cosine ignores rotation but no shift. With two features a correlation is 1 or -1:
 * there is a warning. Fails where all dissimilarities of a side are equal, and, for correlation and
 * cosine, where a sample has none. Cost {@code n^2 (p + q + log n)}.
 *
 * <p>Source: Kriegeskorte, Mur and Bandettini 2008; Nili et al. 2014 for tau-a.
 */
public final class Rsa extends PairedMeasure {
  /** Well above the rounding of a cosine: what differs by that alone has one rank. */
  private static final double STEP = 0x1p-40;

  /** How unlike two samples are. */
  public enum Rdm {
    EUCLIDEAN,
    SQUARED,
    CORRELATION,
    COSINE
  }

  /** How dissimilarities are compared. */
  public enum Compare {
    SPEARMAN,
    PEARSON,
    KENDALL,
    COSINE
  }

  /** Settings. */
  public record Options(
      @Setting("how unlike two samples are") Rdm rdm,
      @Setting("how the dissimilarities of both sides are compared") Compare compare) {
    public Options {
      Settings.check(Options.class, rdm, compare);
    }

    /** Rank correlation of Euclidean distances. */
    public static Options defaults() {
      return new Options(Rdm.EUCLIDEAN, Compare.SPEARMAN);
    }

    public Options withRdm(Rdm value) {
      return new Options(value, compare);
    }

    public Options withCompare(Compare value) {
      return new Options(rdm, value);
    }
  }

  private final Options options;

  private Rsa(Options options) {
    this.options = options;
  }

  public static Rsa of(Options options) {
    return new Rsa(options);
  }

  public static Rsa of(Rdm rdm, Compare compare) {
    return new Rsa(new Options(rdm, compare));
  }

  @Override
  public String id() {
    return "rsa";
  }

  @Override
  public String summary() {
    return "correlation between the dissimilarities of all pairs of samples";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return options.compare() == Compare.COSINE ? 0 : -1;
  }

  /** Two samples have one dissimilarity, which correlates with nothing. */
  @Override
  public int minimumSamples() {
    return 3;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    return switch (options.rdm()) {
      case EUCLIDEAN, SQUARED -> SIMILARITIES;
      case CORRELATION ->
          set(Invariance.COMMON_SHIFT, Invariance.PERMUTATION, Invariance.ISOTROPIC_SCALE);
      case COSINE -> set(Invariance.PERMUTATION, Invariance.ORTHOGONAL, Invariance.ISOTROPIC_SCALE);
    };
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    double[] ofX = dissimilarities(pair.x(), ws);
    double[] ofY = dissimilarities(pair.y(), ws);
    double value =
        switch (options.compare()) {
          case SPEARMAN -> RankCorrelation.spearman(ofX, ofY);
          case PEARSON -> RankCorrelation.pearson(ofX, ofY);
          case KENDALL -> RankCorrelation.kendall(ofX, ofY);
          case COSINE -> RankCorrelation.cosine(ofX, ofY);
        };
    Finding found = Finding.of(value, Route.GRAM).detail("pairs", ofX.length);
    for (Sample side : pair.sides()) {
      if (options.rdm() == Rdm.CORRELATION && side.columns() == 2) {
        found.warn(
            "RSA_TWO_FEATURES",
            side.name()
                + " has 2 features: their correlations are 1 or -1, dissimilarities 0 or 2; take"
                + " rdm=euclidean");
      }
    }
    return found;
  }

  private double[] dissimilarities(Sample side, Workspace ws) {
    double[] found =
        switch (options.rdm()) {
          case EUCLIDEAN -> Arrays.stream(squared(side, ws)).map(Math::sqrt).toArray();
          case SQUARED -> squared(side, ws);
          case CORRELATION, COSINE -> angular(side, ws);
        };
    double first = found[0];
    if (Arrays.stream(found).allMatch(each -> each == first)) {
      throw new NumericalException(
          side.name()
              + ": all "
              + found.length
              + " dissimilarities ("
              + options.rdm().name().toLowerCase(Locale.ROOT)
              + ") are "
              + first
              + ", so they correlate with nothing");
    }
    return found;
  }

  private static double[] squared(Sample side, Workspace ws) {
    int n = Math.toIntExact(side.rows());
    double[] found = new double[Distances.pairs(n)];
    int[] at = {0};
    Distances.squared(
        side,
        (i, distances) -> {
          System.arraycopy(distances, i + 1, found, at[0], n - i - 1);
          at[0] += n - i - 1;
        },
        ws);
    return found;
  }

  /** 1 less the products of samples of norm 1, in steps that keep what is equal together. */
  private double[] angular(Sample side, Workspace ws) {
    int n = Math.toIntExact(side.rows());
    double[] found = new double[Distances.pairs(n)];
    try (Matrix units = units(side, ws);
        Matrix cosines = LinAlg.multiplyTransposed(units, units, ws);
        Matrix host = cosines.toHost(ws)) {
      int at = 0;
      for (int i = 0; i < n; i++) {
        double[] row = Distances.row(host, i);
        for (int j = i + 1; j < n; j++) {
          found[at++] = Math.rint((1 - Math.max(-1, Math.min(1, row[j]))) / STEP) * STEP;
        }
      }
    }
    return found;
  }

  /** A new matrix: each sample over its norm, less the mean of its features for correlations. */
  private Matrix units(Sample side, Workspace ws) {
    boolean centred = options.rdm() == Rdm.CORRELATION;
    if (centred && side.columns() < 2) {
      throw new IllegalArgumentException(
          side.name() + " has 1 feature: its samples have no correlation; take rdm=euclidean");
    }
    try (Matrix raw = side.raw(ws)) {
      double[] sizes = LinAlg.rowProducts(raw, raw, ws);
      if (centred) {
        subtractRowMeans(raw, ws);
      }
      double[] squares = LinAlg.rowProducts(raw, raw, ws);
      double rounding = side.columns() * Math.ulp(1.0);
      int[] without =
          IntStream.range(0, squares.length)
              .filter(i -> squares[i] <= rounding * rounding * sizes[i])
              .toArray();
      if (without.length > 0) {
        throw new NumericalException(
            side.name()
                + ": "
                + rows(without)
                + (centred ? " equal features" : " features 0")
                + ", so dissimilarities by "
                + options.rdm().name().toLowerCase(Locale.ROOT)
                + " are undefined; take rdm=euclidean, or leave such samples out");
      }
      return LinAlg.divide(raw, Arrays.stream(squares).map(Math::sqrt).toArray(), null, ws);
    }
  }

  private static void subtractRowMeans(Matrix x, Workspace ws) {
    double[] ones = new double[Math.toIntExact(x.columns())];
    Arrays.fill(ones, 1);
    try (Tensor one = Tensor.of(ones, ones.length, 1);
        Matrix sums = LinAlg.multiply(x, Matrix.of(one), ws);
        Matrix host = sums.toHost(ws)) {
      for (int i = 0; i < host.rows(); i++) {
        host.set(i, 0, host.get(i, 0) / ones.length);
      }
      LinAlg.addProduct(-1, host, Matrix.of(one), x, ws);
    }
  }

  private static String rows(int[] which) {
    String some = Arrays.toString(Arrays.copyOf(which, Math.min(which.length, 5)));
    String list = some.substring(1, some.length() - 1);
    return which.length == 1
        ? "sample " + list + " has"
        : "samples "
            + list
            + (which.length > 5 ? " and " + (which.length - 5) + " more" : "")
            + " have";
  }
}
