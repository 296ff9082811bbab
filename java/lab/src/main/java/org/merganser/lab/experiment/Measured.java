// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;

/**
 * A number that every group of models has: its mean, and where the mean lies with 95 % confidence.
 *
 * @param low null for one group
 * @param high null for one group
 * @param leftOut groups that have no such number, which mean and interval are without; null for
 *     none
 */
record Measured(
    @JsonInclude(value = JsonInclude.Include.CUSTOM, valueFilter = Json.NotANumber.class)
        double mean,
    Double low,
    Double high,
    List<Double> pairs,
    Integer leftOut) {
  static Measured of(List<Double> values) {
    return of(values, null);
  }

  /** Of the values that are not null; the mean is not a number where all are. */
  static Measured known(List<Double> values) {
    List<Double> known = values.stream().filter(Objects::nonNull).toList();
    int missing = values.size() - known.size();
    return of(known, missing == 0 ? null : (Integer) missing);
  }

  private static Measured of(List<Double> values, Integer leftOut) {
    double mean = values.isEmpty() ? Double.NaN : Summary.mean(values);
    OptionalDouble half = Summary.halfWidth(values);
    return half.isEmpty()
        ? new Measured(mean, null, null, values, leftOut)
        : new Measured(mean, mean - half.getAsDouble(), mean + half.getAsDouble(), values, leftOut);
  }

  /** Of parts in percent. */
  Measured percent() {
    return of(Chart.percent(pairs), leftOut);
  }

  /** What all groups found under some names. */
  static Measured of(List<Findings> pairs, String... path) {
    return of(Findings.all(pairs, Double.class, path));
  }

  /** With its interval, each number in a format, and how many groups are left out. */
  String text(String format) {
    String value = pairs.isEmpty() && leftOut != null ? "-" : Section.format(format, mean);
    return value
        + (low == null ? "" : Section.format(" [" + format + ", " + format + "]", low, high))
        + (leftOut == null ? "" : " (" + leftOut + " left out)");
  }
}
