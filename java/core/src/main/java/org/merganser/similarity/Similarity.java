// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.similarity.SimilarityMeasure.Kind;
import org.merganser.similarity.SimilarityMeasure.Route;

/**
 * What a measure found, and how.
 *
 * @param value finite
 * @param measure its id
 * @param route never {@link Route#AUTO}
 * @param samples that went in
 * @param dropped samples that did not, being not finite on one side
 * @param details numbers behind the value by name, such as ranks or bandwidths
 */
public record Similarity(
    double value,
    String measure,
    Kind kind,
    Estimator estimator,
    Route route,
    long samples,
    long dropped,
    List<Warning> warnings,
    Map<String, Double> details) {
  public Similarity {
    warnings = List.copyOf(warnings);
    details = Collections.unmodifiableMap(new LinkedHashMap<>(details));
  }

  /**
   * Why a value may mislead.
   *
   * @param code such as {@code CCA_SATURATED}
   * @param text with numbers and a remedy
   */
  public record Warning(String code, String text) {
    @Override
    public String toString() {
      return code + "  " + text;
    }
  }

  /** A line such as {@code cka-linear 0.6404 (biased, feature route, 8 samples)}. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s %.4f (%s, %s route, %d samples%s)",
        measure,
        value,
        estimator.name().toLowerCase(Locale.ROOT),
        route.name().toLowerCase(Locale.ROOT),
        samples,
        dropped == 0 ? "" : ", " + dropped + " dropped");
  }
}
