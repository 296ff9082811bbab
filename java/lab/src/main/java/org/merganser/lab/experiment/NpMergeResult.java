// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.model.EarlyStopping.HeldOut;

/**
 * What {@link NpMergeExperiment} found.
 *
 * @param differences of accuracies, pair by pair
 * @param curves learning curves, for each row that was learned
 * @param coefficients how many parameters got which coefficient, by tensor and row: counts of
 *     {@link #BINS} bins of equal width over [0, 1], summed over pairs. A coefficient is that of
 *     the reference, or of what had been merged before the last model
 * @param samples accuracy against the number of training samples; empty when not asked for
 */
public record NpMergeResult(
    NpMergeOptions options,
    Data data,
    long parameters,
    List<Row> rows,
    List<Map<String, Double>> pairs,
    List<Difference> differences,
    List<Curve> curves,
    Map<String, Map<String, List<Long>>> coefficients,
    Optional<Samples> samples,
    Training training,
    Map<String, String> versions,
    String backend,
    String isa,
    Map<String, Double> seconds)
    implements ExperimentResult {

  /** Bins of a histogram of coefficients; the last holds 1 too. */
  public static final int BINS = 20;

  /**
   * How learning went.
   *
   * @param steps of the evaluations on the held-out data
   * @param heldOut loss at each evaluation, mean over pairs; a pair that has stopped counts with
   *     the loss of the coefficients it keeps. Empty without held-out data
   * @param batchLoss loss of the batch of each step, mean over the pairs that made it
   */
  public record Curve(
      String method,
      List<Long> steps,
      List<Double> heldOut,
      List<Double> batchLoss,
      List<LearningRun> runs) {}

  /** What one pair did: as {@link org.merganser.merge.NpMerge}; of several rounds the last. */
  public record LearningRun(List<Double> losses, List<HeldOut> heldOut, long bestStep) {
    public LearningRun {
      losses = List.copyOf(losses);
      heldOut = List.copyOf(heldOut);
    }
  }

  /**
   * The curve over numbers of samples.
   *
   * @param aligner whose average all methods begin with
   * @param points for each method one for each number of samples
   */
  public record Samples(
      String aligner, List<Integer> counts, Map<String, List<SamplePoint>> points) {}

  /**
   * A method with so many samples, on test data.
   *
   * @param pairs accuracy in each pair
   * @param losses in each pair
   */
  public record SamplePoint(
      double accuracy, double accuracySd, double loss, List<Double> pairs, List<Double> losses) {}

  @Override
  public String id() {
    return "np-merge";
  }

  @Override
  public ExperimentSettings settings() {
    return options.settings();
  }

  /** The difference of two rows. */
  public Difference difference(String method, String than) {
    return differences.stream()
        .filter(d -> d.method().equals(method) && d.than().equals(than))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no difference " + method + " - " + than));
  }
}
