// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.SimilarityGrid;

/**
 * Asks how far a CKA value can be trusted: what chance gives, whether few samples or few directions
 * decide it, and what moving some samples would make of it (Davari et al. 2023).
 *
 * <pre>{@code
 * ReliabilityReport report = CkaReliability.of(x, y).labels(classes).run(ws);
 * System.out.println(report.toText());
 * }</pre>
 *
 * <p>Two Gram matrices and a few passes over them, whatever is asked. Of more than 8192 rows as
 * many samples are drawn as these hold, and the report says so. Draws follow from the seed of the
 * Workspace.
 *
 * <p>Rows are taken for independent samples. Where a sample has several, one for each position of a
 * convolution or token ({@link org.merganser.similarity.Flatten#SPATIAL}), they are not:
 * neighbouring positions are alike on both sides, and the first one is a corner on both. Samples
 * still are. So {@link #of(Matrix, Matrix, int)} moves all rows of a sample together: under the
 * hypothesis that nothing relates the sides, samples of Y are as likely in any order beside those
 * of X, each with its positions in their own order, whatever relates these; leaving out, halves and
 * the bootstrap treat samples as the jackknife of blocks does. Values are those of all rows. The
 * unbiased estimator leaves out products of a row with itself, not those of rows of one sample.
 */
public final class CkaReliability {
  /** How intervals are found. */
  public enum Interval {
    /** Normal, with the standard error of values without one sample. */
    JACKKNIFE,
    /** From values of halves of the samples. */
    HALF_SAMPLING,
    /**
     * From values of samples drawn with replacement. Copies of a sample raise the biased value, so
     * that its interval lies too high; the unbiased estimator does not pair them.
     */
    BOOTSTRAP
  }

  /** Unless {@link #atMost} says otherwise; two Gram matrices of so many are 1 GiB. */
  public static final int MOST_ROWS = 8192;

  /**
   * A subset that is moved.
   *
   * @param distances in units of the direction's length
   */
  record Move(int[] subset, double[] direction, double[] distances) {}

  final Sides.Source source;
  private final boolean activations;
  int[] labels;
  Matrix readout;
  int[] groups;
  CkaKernel kernel = CkaKernel.LINEAR;
  boolean debiased = true;
  int permutations = 999;
  Interval interval = Interval.JACKKNIFE;
  double level = 0.95;
  int replicates = 1000;
  private int most = MOST_ROWS;
  final List<Move> moves = new ArrayList<>();

  private CkaReliability(Sides.Source source, boolean activations) {
    this.source = source;
    this.activations = activations;
  }

  /**
   * @param x [n x p], F64 or F32
   * @param y [n x q], the same samples in the same order
   */
  public static CkaReliability of(Matrix x, Matrix y) {
    return of(x, y, 1);
  }

  /**
   * Samples of several rows. What is said of samples here, such as their labels, is for these.
   *
   * @param x [n positions x p], F64 or F32, all rows of the first sample first
   * @param y [n positions x q], the same samples and positions in the same order
   * @param positions rows of a sample
   */
  public static CkaReliability of(Matrix x, Matrix y, int positions) {
    Samples.requirePaired(x, y);
    return new CkaReliability(
        new ActivationSides.Given(x, y, Blocks.of(x.rows(), positions)), true);
  }

  /**
   * Of Gram matrices of all samples ({@link org.merganser.similarity.Plan#full()}), as they were
   * summed or loaded, without the activations. What a rotation of the features does not change is
   * the same to rounding: values, chance, p, influence, intervals, and other measures. Subsets move
   * along a random direction that was drawn when the Grams were summed. There are no readouts,
   * directions of one's own, or checks of what changes of X do, which take X.
   *
   * @param layerA number of a layer of A
   * @param layerB number of a layer of B
   * @throws IllegalArgumentException for sums of other kinds, and where there is no such layer
   */
  public static CkaReliability of(GridAccumulator sums, int layerA, int layerB) {
    return new CkaReliability(GramSides.Given.of(sums, layerA, layerB), false);
  }

  /**
   * Measures all layers of one network with all of another: values, chance, p and its correction
   * for many cells, and the most influential sample of each, with linear kernels. One Gram a layer;
   * those of the second network are kept, three times n^2 numbers for each of its layers.
   *
   * @param a activations of the layers of the first network by name, [n x p], in the order of rows
   * @param b of the second, of the same at least 5 samples in the same order
   * @param permutations of the samples drawn for p, unless all are few
   */
  public static ReliabilityReport.Grid grid(
      Map<String, Matrix> a, Map<String, Matrix> b, int permutations, Workspace ws) {
    return GridCells.grid(a, b, requirePermutations(permutations), ws);
  }

  /** The same of layers that were gathered. */
  public static ReliabilityReport.Grid grid(
      SimilarityGrid.Layers layers, int permutations, Workspace ws) {
    return GridCells.grid(layers, requirePermutations(permutations), ws);
  }

  /**
   * The same of Gram matrices of all samples, as they were summed or loaded, without the
   * activations.
   *
   * @throws IllegalArgumentException for sums of other kinds
   */
  public static ReliabilityReport.Grid grid(GridAccumulator sums, int permutations, Workspace ws) {
    return GridCells.grid(sums, requirePermutations(permutations), ws);
  }

  /** The class of each sample: what is moved. Without, one sample and a tenth at random are. */
  public CkaReliability labels(int... value) {
    requireSamples("labels", value);
    if (Arrays.stream(value).distinct().count() < 2) {
      throw new IllegalArgumentException(
          "all labels are " + value[0] + "; moving a class takes two of them");
    }
    labels = value.clone();
    return this;
  }

  /**
   * A linear readout W [classes x p]: classes are moved where it does not see it, {@code W v = 0}.
   */
  public CkaReliability readout(Matrix value) {
    requireActivations("a readout");
    if (value.columns() != source.featuresX()) {
      throw new ShapeException(
          "a readout of a " + value + " for X of " + source.featuresX() + " features");
    }
    readout = value;
    return this;
  }

  /**
   * Moves a subset along a direction of its own.
   *
   * @param distances c, in units of the direction's length
   */
  public CkaReliability moving(int[] subset, double[] direction, double... distances) {
    requireActivations("a direction");
    Subsets.inside(subset, source.blocks().samples());
    moves.add(new Move(subset.clone(), direction.clone(), distances.clone()));
    return this;
  }

  /** The value as it is alone, which takes 3 samples; the unbiased estimator too takes 5. */
  public CkaReliability biasedOnly() {
    debiased = false;
    return this;
  }

  /** The kernel {@code exp(-|x - y|^2 / (2 t^2 m^2))}, m^2 the median squared distance. */
  public CkaReliability rbf(double t) {
    kernel = new CkaKernel(CkaKernel.requireBandwidth(t));
    return this;
  }

  /** How many orders of the samples are drawn where there are too many to try all; 999. */
  public CkaReliability permutations(int value) {
    permutations = requirePermutations(value);
    return this;
  }

  static int requirePermutations(int value) {
    if (value < 19) {
      throw new IllegalArgumentException(
          value + " permutations cannot tell p below 0.05; take 19 or more");
    }
    return value;
  }

  /** Only samples of one group change places, as of one subject or one day. */
  public CkaReliability exchangingWithin(int... value) {
    requireSamples("groups", value);
    groups = value.clone();
    return this;
  }

  /**
   * @param confidence such as 0.95
   */
  public CkaReliability interval(Interval value, double confidence) {
    if (!(confidence > 0 && confidence < 1)) {
      throw new IllegalArgumentException(
          "an interval of level " + confidence + "; give one between 0 and 1, such as 0.95");
    }
    interval = value;
    level = confidence;
    return this;
  }

  /** How many values intervals by resampling take; 1000. */
  public CkaReliability replicates(int value) {
    if (value < 20) {
      throw new IllegalArgumentException(
          value + " replicates are too few for an interval; take 20 or more, such as 1000");
    }
    replicates = value;
    return this;
  }

  /**
   * Of more rows than these as many samples are drawn as they hold; 8192, which take 2 GiB at
   * times.
   */
  public CkaReliability atMost(int rows) {
    if (rows < 5) {
      throw new IllegalArgumentException(
          "at most " + rows + " samples are too few for a report; take 5 or more");
    }
    most = rows;
    return this;
  }

  /**
   * Makes the report.
   *
   * @throws IllegalArgumentException for too few samples, naming how many it takes
   * @throws org.merganser.error.NumericalException where a side is not finite or constant, or is so
   *     without one sample
   */
  public ReliabilityReport run(Workspace ws) {
    Blocks given = source.blocks();
    int fitting = most / given.positions();
    requireEnough(given, fitting);
    if (given.samples() <= fitting) {
      int[] all = new int[given.samples()];
      Arrays.setAll(all, i -> i);
      return new ReliabilityRun(this, all, ws).report();
    }
    int[] order = Seeds.order(given.samples(), ws.seed(), "cka samples");
    int[] drawn = Arrays.copyOf(order, fitting);
    Arrays.sort(drawn);
    try {
      return new ReliabilityRun(this, drawn, ws).report();
    } catch (NumericalException e) {
      throw new NumericalException(
          "%s (%s are numbered among the %d that were drawn of %d)"
              .formatted(
                  e.getMessage(), given.noun(), given.withSamples(fitting).rows(), given.rows()),
          e);
    }
  }

  private void requireEnough(Blocks given, int fitting) {
    int least = debiased ? 5 : 3;
    int samples = Math.min(given.samples(), fitting);
    if (samples < least) {
      if (given.samples() >= least) {
        throw new IllegalArgumentException(
            "of samples of %d rows %d rows hold %d, and a report needs %d; allow more (atMost), or take the"
                    .formatted(given.positions(), most, fitting, least)
                + " mean over positions");
      }
      throw new IllegalArgumentException(
          Samples.tooFew("a report" + (debiased ? " with debiased CKA" : ""), least, samples)
              + (debiased && samples >= 3 ? "; ask for biasedOnly()" : ""));
    }
    if (interval == Interval.HALF_SAMPLING && samples < 2 * least) {
      throw new IllegalArgumentException(
          Samples.tooFew("half-sampling", 2 * least, samples) + "; take the jackknife");
    }
  }

  private void requireActivations(String what) {
    if (!activations) {
      throw new IllegalArgumentException(
          what
              + " is of features, which Gram matrices do not know; make the report from"
              + " activations");
    }
  }

  private void requireSamples(String what, int[] value) {
    int samples = source.blocks().samples();
    if (value.length != samples) {
      throw new ShapeException(value.length + " " + what + " for " + samples + " samples");
    }
  }
}
