// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.lab.report.Section;

/**
 * A number of every seed, and what its interval has to be.
 *
 * @param required of the 95 % interval of the mean, in words
 * @param held whether it is; null for one seed, which has none
 */
record Claim(String claim, Measured value, String required, Boolean held) {
  /** That the number is above 0. */
  static Claim positive(String claim, List<Double> values) {
    return above(claim, values, 0);
  }

  /** That the number is above a bound. */
  static Claim above(String claim, List<Double> values, double bound) {
    Measured value = Measured.of(values);
    String required = bound == 0 ? "above 0" : "above " + bound;
    return new Claim(claim, value, required, value.low() == null ? null : value.low() > bound);
  }

  private String verdict() {
    return held == null ? "one seed" : held ? "held" : "not held";
  }

  /** All of a report, in accuracies. */
  static Section<Claim> section(List<Claim> claims) {
    return new Section<>(
            "claims",
            "What is claimed",
            "In accuracy, seed by seed, with the 95 % interval of the mean, each for itself.",
            claims)
        .text("claim", 30, Claim::claim)
        .number("value", 8, claim -> claim.value().text("%.3f"))
        .text("required", 8, Claim::required)
        .text("verdict", 8, Claim::verdict);
  }
}
