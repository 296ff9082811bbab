// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.merganser.lab.data.DataSet;
import org.merganser.torch.Examples;

/** What every experiment on pairs of trained models finds. */
public sealed interface ExperimentResult permits CcaMergeResult, NpMergeResult {

  /** Name on the command line. */
  String id();

  ExperimentSettings settings();

  Data data();

  /** Number of parameters of a model. */
  long parameters();

  /** Means over pairs, in the order of the table. */
  List<Row> rows();

  /** Accuracy of every row in every pair, by row id. */
  List<Map<String, Double>> pairs();

  /** Differences of accuracies, pair by pair. */
  List<Difference> differences();

  /** How the models came about. */
  Training training();

  Map<String, String> versions();

  String backend();

  String isa();

  /** Wall time by stage. */
  Map<String, Double> seconds();

  /** The row of a method. */
  default Row row(String method) {
    return rows().stream()
        .filter(row -> row.method().equals(method))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no row '" + method + "' in " + rows()));
  }

  /**
   * The data used.
   *
   * @param validation how many examples that no model was trained on choices were made on; 0: they
   *     were made on the training examples
   */
  record Data(
      String name, int train, int validation, int test, Optional<DataSet.PixelScale> pixels) {
    static Data of(DataSet data) {
      return new Data(
          data.name(),
          data.train().size(),
          data.validation().map(Examples::size).orElse(0),
          data.test().size(),
          data.pixels());
    }
  }

  /**
   * One line of the table.
   *
   * @param accuracy mean over pairs, in [0, 1]
   * @param accuracySd sample standard deviation over pairs; 0 for one
   * @param loss mean cross-entropy
   * @param selection mean accuracy on the samples that choices are made on; NaN where none was
   *     measured
   */
  record Row(String method, double accuracy, double accuracySd, double loss, double selection) {
    /**
     * Whether there was nothing to evaluate: a dense map made running statistics stale, and they
     * were not reset. All figures are NaN then.
     */
    public boolean isRefused() {
      return Double.isNaN(accuracy);
    }
  }

  /**
   * How much more accurate one row is than another.
   *
   * @param pairs accuracy of {@code method} less that of {@code than} in each pair
   * @param halfWidth the mean lies within this far with 95 % confidence (Student t over pairs);
   *     empty for one pair
   */
  record Difference(
      String method, String than, List<Double> pairs, double mean, OptionalDouble halfWidth) {}

  /** How many models were trained, and how many were there from an earlier run. */
  record Training(int trained, int cached) {}
}
