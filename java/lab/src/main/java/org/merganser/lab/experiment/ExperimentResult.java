// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static com.fasterxml.jackson.annotation.JsonFormat.Feature.WRITE_SINGLE_ELEM_ARRAYS_UNWRAPPED;

import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.torch.Examples;

/**
 * What an experiment found.
 *
 * @param data the data used
 * @param parameters number of parameters of a model
 * @param rows means over pairs, in the order of the table
 * @param pairs accuracy of every row in every pair, by row id; not of refused ones
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
   * @param mean of pixels, for all channels or for each; null for other data
   * @param sd of pixels, likewise
   */
  public record Data(
      String name,
      int train,
      int validation,
      int test,
      @JsonFormat(with = WRITE_SINGLE_ELEM_ARRAYS_UNWRAPPED) List<Double> mean,
      @JsonFormat(with = WRITE_SINGLE_ELEM_ARRAYS_UNWRAPPED) List<Double> sd) {
    static Data of(DataSet data) {
      return new Data(
          data.name(),
          data.train().size(),
          data.validation().map(Examples::size).orElse(0),
          data.test().size(),
          data.pixels().map(DataSet.PixelScale::mean).orElse(null),
          data.pixels().map(DataSet.PixelScale::sd).orElse(null));
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
  @JsonInclude(value = JsonInclude.Include.CUSTOM, valueFilter = Json.NotANumber.class)
  public record Row(
      String method,
      @JsonIgnore String meaning,
      double accuracy,
      double accuracySd,
      double loss,
      double selection) {
    /**
     * Whether there was nothing to evaluate: a dense map made running statistics stale, and they
     * were not reset. All figures are NaN then.
     */
    @JsonProperty("refused")
    @JsonInclude(JsonInclude.Include.NON_DEFAULT)
    public boolean isRefused() {
      return Double.isNaN(accuracy);
    }
  }

  /**
   * How much more accurate one row is than another.
   *
   * @param low the mean lies between this and {@code high} with 95 % confidence (Student t over
   *     pairs); null for one pair
   * @param pairs accuracy of {@code method} less that of {@code than} in each pair
   */
  public record Difference(
      String method, String than, double mean, Double low, Double high, List<Double> pairs) {}

  /** How many models were trained, and how many were there from an earlier run. */
  public record Training(int trained, int cached) {
    static final Training NONE = new Training(0, 0);

    Training plus(Training more) {
      return new Training(trained + more.trained, cached + more.cached);
    }

    /** To a later run. */
    Training before() {
      return new Training(0, trained + cached);
    }
  }

  /** The row of a method. */
  public Row row(String method) {
    return find(rows, "row '" + method + "'", row -> row.method().equals(method));
  }

  /** The difference of two rows. */
  public Difference difference(String method, String than) {
    String what = "difference " + method + " - " + than;
    return find(differences, what, d -> d.method().equals(method) && d.than().equals(than));
  }

  private static <T> T find(List<T> all, String what, Predicate<T> wanted) {
    return all.stream()
        .filter(wanted)
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no " + what + " in " + all));
  }

  /** Rows of a section of the report. */
  public List<?> section(String id) {
    return report.sections().stream()
        .filter(section -> section.id().equals(id))
        .<List<?>>map(Section::rows)
        .findFirst()
        .orElse(List.of());
  }
}
