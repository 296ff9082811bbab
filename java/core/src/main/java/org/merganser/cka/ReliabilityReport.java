// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.internal.io.TextFile;
import org.merganser.similarity.SimilarityGrid;

/**
 * How far a CKA value can be trusted; made by {@link CkaReliability}.
 *
 * @param setup what was compared
 * @param biased CKA
 * @param debiased CKA of the unbiased estimator of HSIC; empty where it was not asked for
 * @param chance mean of CKA over all orders of the samples of Y, {@code sqrt(dPR(X) dPR(Y)) /
 *     (n-1)} where each has one row
 * @param adjusted {@code (CKA - chance) / (1 - chance)}
 * @param significance of the biased value
 * @param points of each sample, in their order
 * @param removals CKA after each step, the most influential of what is left removed
 * @param translations what moving a subset of X does to linear CKA of X with itself
 * @param checks what changes of X do to the value; empty of saved sums, which do not know X
 * @param opinions of other measures
 * @param warnings what makes the value doubtful; empty for nothing
 */
public record ReliabilityReport(
    Setup setup,
    Value biased,
    Optional<Value> debiased,
    double chance,
    double adjusted,
    Significance significance,
    List<Point> points,
    List<Removal> removals,
    List<Translated> translations,
    List<Check> checks,
    List<Opinion> opinions,
    List<Warning> warnings) {

  public ReliabilityReport {
    points = List.copyOf(points);
    removals = List.copyOf(removals);
    translations = List.copyOf(translations);
    checks = List.copyOf(checks);
    opinions = List.copyOf(opinions);
    warnings = List.copyOf(warnings);
  }

  /**
   * What was compared.
   *
   * @param samples that the report is of
   * @param positions rows of each sample
   * @param given samples, of which those were drawn where there are more
   * @param seed of what is drawn
   * @param kernel such as {@code linear}, {@code rbf(0.5)}
   */
  public record Setup(
      int samples, int positions, long given, long seed, SideSetup x, SideSetup y, String kernel) {
    /** Of both sides. */
    public int rows() {
      return samples * positions;
    }
  }

  /**
   * One side.
   *
   * @param dimension effective number of dimensions, the participation ratio {@code tr(K)^2 /
   *     |K|^2}
   * @param topShare share of the largest eigenvalue of K in its trace
   */
  public record SideSetup(long features, double dimension, double topShare) {}

  /**
   * A value and where it may lie.
   *
   * @param interval how that was found, such as {@code jackknife}
   * @param level such as 0.95
   * @param undefined replicates with a constant side, which are left out; with the jackknife
   *     samples without which a side is constant, and there is no interval then but NaN
   */
  public record Value(
      double value, double low, double high, String interval, double level, int undefined) {}

  /**
   * @param atLeast orders of the samples of Y with as large a CKA, the given one among them
   * @param orders all, or those drawn and the given one
   * @param exact whether these are all there are
   */
  public record Significance(long atLeast, long orders, boolean exact) {
    /** The probability of as large a CKA if the samples were not paired. */
    public double p() {
      return (double) atLeast / orders;
    }
  }

  /**
   * One sample.
   *
   * @param index its number; its row where each has one
   * @param influence CKA minus CKA without it: positive where it raises the value; NaN where
   *     nothing varies on one side without it
   * @param debiasedInfluence the same of the unbiased estimator; NaN also where it was not asked
   *     for
   * @param leverage its share of the squared size of X
   * @param atInfinity CKA of X with itself, once this sample is moved infinitely far
   * @param outlier whether its influence is far from that of the others
   */
  public record Point(
      int index,
      double influence,
      double debiasedInfluence,
      double leverage,
      double atInfinity,
      boolean outlier) {}

  /**
   * @param index of the sample that goes
   * @param value CKA without it and those before
   */
  public record Removal(int index, double value) {}

  /**
   * A subset of X that is moved, and CKA of X and what becomes of it.
   *
   * @param name of the subset
   * @param samples in it
   * @param unseen whether a readout does not see the direction
   * @param unit what distances are in: 1, or the size of the cloud of samples
   * @param curve at some distances
   * @param limit infinitely far
   * @param half first distance where the value is halfway to the limit, in the same unit
   * @param radius the size of the cloud of samples, in that unit
   */
  public record Translated(
      String name,
      int samples,
      boolean unseen,
      double unit,
      List<At> curve,
      double limit,
      double half,
      double radius) {
    public Translated {
      curve = List.copyOf(curve);
    }

    /** The value at one distance. */
    public record At(double distance, double value) {}

    /** Whether it is halfway to the limit within the size of the cloud. */
    public boolean fragile() {
      return half < radius;
    }
  }

  /**
   * A change of X.
   *
   * @param invariant whether it must not change CKA
   * @param change of the value; NaN where nothing varies on one side, before or after
   * @param samples on which it was measured
   */
  public record Check(String name, boolean invariant, double change, int samples) {
    /** Changes beyond this are no rounding. */
    static final double ROUNDING = 1e-6;

    /** Whether there was nothing to compare, so that it neither holds nor fails. */
    public boolean undefined() {
      return Double.isNaN(change);
    }

    /** False for a change that must not be there, and where that is not known. */
    public boolean holds() {
      return !invariant || change <= ROUNDING;
    }
  }

  /**
   * Another measure.
   *
   * @param name as in the text
   * @param id of the measure
   * @param value NaN where it is not defined
   * @param note such as why it is not defined; may be empty
   * @param samples on which it was measured
   * @param details numbers behind it, such as {@code forced}: correlations that are 1 whatever the
   *     data
   */
  public record Opinion(
      String name, String id, double value, String note, int samples, Map<String, Double> details) {
    public Opinion {
      details = Map.copyOf(details);
    }
  }

  /**
   * What makes a value doubtful.
   *
   * @param sentence what was found
   * @param numbers in it, by name
   * @param remedy what to do
   */
  public record Warning(String code, String sentence, Map<String, Double> numbers, String remedy) {
    public Warning {
      numbers = Map.copyOf(numbers);
    }

    @Override
    public String toString() {
      return code + " " + sentence + ": " + remedy;
    }
  }

  /**
   * The same for all layers of one network with all of another, in short; made by {@link
   * CkaReliability#grid}.
   *
   * @param values biased and debiased CKA, p, chance and the most influential sample of each cell
   * @param q of cells, row after row: p for many cells at once (Benjamini and Hochberg 1995). Of
   *     the cells with q below a bound, that share at most is expected to be chance; NaN where
   *     there is no p
   * @param warnings what makes the map doubtful
   */
  public record Grid(SimilarityGrid values, List<Double> q, List<Warning> warnings) {
    public Grid {
      q = List.copyOf(q);
      warnings = List.copyOf(warnings);
    }

    /** Of row i and column j. */
    public double q(int i, int j) {
      return q.get(i * values.namesB().size() + j);
    }

    /** A line for each cell, after one with names. */
    public String toCsv() {
      return GridCsv.of(this);
    }

    public void toCsv(Path path) throws IOException {
      TextFile.write(path, toCsv());
    }

    /** A line for each cell, for people. */
    public String toText() {
      return GridLines.of(this);
    }

    /** All of it. */
    public void toJson(Path path) throws IOException {
      TextFile.write(path, ReliabilityJson.of(this));
    }

    /** A heat map of the biased values; a dot where p is above 0.05. */
    public void toSvg(Path path) throws IOException {
      values.toSvg(path);
    }
  }

  /** A few lines for people. */
  public String toText() {
    return ReliabilityText.of(this);
  }

  /** All of it. */
  public void toJson(Path path) throws IOException {
    TextFile.write(path, ReliabilityJson.of(this));
  }

  /** A picture: values with intervals and chance, translations, influences. */
  public void toSvg(Path path) throws IOException {
    TextFile.write(path, ReliabilityPicture.of(this));
  }
}
