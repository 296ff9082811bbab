// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.OptionalDouble;
import org.merganser.lab.report.Section;

/**
 * A number that every group of models has: its mean, and where the mean lies with 95 % confidence.
 *
 * @param low null for one group
 * @param high null for one group
 */
record Measured(double mean, Double low, Double high, List<Double> pairs) {
  static Measured of(List<Double> values) {
    double mean = Summary.mean(values);
    OptionalDouble half = Summary.halfWidth(values);
    return half.isEmpty()
        ? new Measured(mean, null, null, values)
        : new Measured(mean, mean - half.getAsDouble(), mean + half.getAsDouble(), values);
  }

  /** What all groups found under some names. */
  static Measured of(List<Findings> pairs, String... path) {
    return of(Findings.all(pairs, Double.class, path));
  }

  /** With its interval, each number in a format. */
  String text(String format) {
    String value = Section.format(format, mean);
    return low == null
        ? value
        : value + Section.format(" [" + format + ", " + format + "]", low, high);
  }
}
