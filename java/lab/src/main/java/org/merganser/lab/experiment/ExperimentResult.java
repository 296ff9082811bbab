// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.torch.Examples;

/**
 * What an experiment found.
 *
 * @param data the data used
 * @param parameters number of parameters of a model
 * @param rows means over pairs, in the order of the table
 * @param pairs accuracy of every row in every pair, by row id
 * @param differences of accuracies, pair by pair
 * @param training how the models came about
 * @param report all of it with what the experiment adds, as it is written
 */
public record ExperimentResult(
    Data data,
    long parameters,
    List<Row> rows,
    List<Map<String, Double>> pairs,
    List<Difference> differences,
    Training training,
    Report report) {

  /**
   * The data used.
   *
   * @param validation how many examples that no model was trained on choices were made on; 0: they
   *     were made on the training examples
   */
  public record Data(
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
   * @param meaning what it is, in words
   * @param accuracy mean over pairs, in [0, 1]
   * @param accuracySd sample standard deviation over pairs; 0 for one
   * @param loss mean cross-entropy
   * @param selection mean accuracy on the samples that choices are made on
   */
  public record Row(
      String method,
      String meaning,
      double accuracy,
      double accuracySd,
      double loss,
      double selection) {
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
  public record Difference(
      String method, String than, List<Double> pairs, double mean, OptionalDouble halfWidth) {}

  /** How many models were trained, and how many were there from an earlier run. */
  public record Training(int trained, int cached) {
    Training plus(Training more) {
      return new Training(trained + more.trained, cached + more.cached);
    }
  }

  /** The row of a method. */
  public Row row(String method) {
    return rows.stream()
        .filter(row -> row.method().equals(method))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no row '" + method + "' in " + rows));
  }

  /** The difference of two rows. */
  public Difference difference(String method, String than) {
    return differences.stream()
        .filter(d -> d.method().equals(method) && d.than().equals(than))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no difference " + method + " - " + than));
  }

  /** Rows of a section of the report. */
  public List<Map<String, Object>> section(String id) {
    return report.sections().stream()
        .filter(section -> section.id().equals(id))
        .findFirst()
        .map(Section::rows)
        .orElse(List.of());
  }
}
