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
 * @param pairs accuracy of every row in every pair, by row id
 * @param seconds wall time by stage
 */
public record CcaMergeResult(
    CcaMergeOptions options,
    Data data,
    long parameters,
    List<Row> rows,
    List<Map<String, Double>> pairs,
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
  public record Row(String method, double accuracy, double accuracySd, double loss) {}

  /** The row of a method. */
  public Row row(String method) {
    return rows.stream()
        .filter(row -> row.method().equals(method))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no row '" + method + "' in " + rows));
  }
}
