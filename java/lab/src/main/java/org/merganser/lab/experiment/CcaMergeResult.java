// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;

/**
 * What {@link CcaMergeExperiment} found.
 *
 * @param differences between aligners with the same repair, and between treatments
 * @param gammas for each pair the gamma chosen for each row of CCA; empty when there was one only
 * @param paths lines between the first two models, for each aligner; empty when none were asked for
 * @param spectra how well features correspond, by space
 */
public record CcaMergeResult(
    CcaMergeOptions options,
    Data data,
    long parameters,
    List<Row> rows,
    List<Map<String, Double>> pairs,
    List<Difference> differences,
    List<Map<String, Double>> gammas,
    List<Path> paths,
    Map<String, Spectra> spectra,
    Training training,
    Map<String, String> versions,
    String backend,
    String isa,
    Map<String, Double> seconds)
    implements ExperimentResult {

  /**
   * Models on the line between model 0 and model 1, aligned; means over pairs.
   *
   * @param lossBarrier mean of the barriers of the pairs, not the barrier of the mean
   */
  public record Path(
      String method,
      List<Double> lambdas,
      List<Double> accuracies,
      List<Double> losses,
      double accuracyBarrier,
      double lossBarrier) {}

  /**
   * Correlations between features of the reference and of the others in one space, each list
   * decreasing; means over pairs and models, rank by rank.
   *
   * @param canonical canonical correlations without regulariser; empty when there are not more
   *     samples than features
   * @param regularised with the regulariser of the run
   * @param matched of each feature with its aligned counterpart, by aligner
   */
  public record Spectra(
      List<Double> canonical, List<Double> regularised, Map<String, List<Double>> matched) {}

  @Override
  public String id() {
    return "cca-merge";
  }

  @Override
  public ExperimentSettings settings() {
    return options.settings();
  }
}
