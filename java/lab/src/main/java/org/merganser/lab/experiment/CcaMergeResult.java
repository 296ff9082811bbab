// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.lab.data.DataSet;

/**
 * What {@link CcaMergeExperiment} found.
 *
 * @param rows means over pairs, in the order of the table
 * @param paths lines between the first two models, for each aligner; empty when none were asked for
 * @param spectra how well features correspond, by space
 * @param training how the models came about
 * @param pairs accuracy of every row in every pair, by row id
 * @param seconds wall time by stage
 */
public record CcaMergeResult(
    CcaMergeOptions options,
    Data data,
    long parameters,
    List<Row> rows,
    List<Map<String, Double>> pairs,
    List<Path> paths,
    Map<String, Spectra> spectra,
    Training training,
    Map<String, String> versions,
    String backend,
    String isa,
    Map<String, Double> seconds) {

  /** The data used. */
  public record Data(String name, int train, int test, Optional<DataSet.PixelScale> pixels) {}

  /**
   * One line of the table.
   *
   * @param accuracy mean over pairs, in [0, 1]
   * @param accuracySd sample standard deviation over pairs; 0 for one
   * @param loss mean cross-entropy
   */
  public record Row(String method, double accuracy, double accuracySd, double loss) {
    /**
     * Whether there was nothing to evaluate: a dense map made running statistics stale, and they
     * were not reset. All figures are NaN then.
     */
    public boolean isRefused() {
      return Double.isNaN(accuracy);
    }
  }

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

  /** How many models were trained, and how many were there from an earlier run. */
  public record Training(int trained, int cached) {}

  /** The row of a method. */
  public Row row(String method) {
    return rows.stream()
        .filter(row -> row.method().equals(method))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no row '" + method + "' in " + rows));
  }
}
