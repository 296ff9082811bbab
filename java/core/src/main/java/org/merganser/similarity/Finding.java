// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.similarity.Similarity.Warning;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.similarity.SimilarityMeasure.Route;

/** What a measure says of its value; the rest of a {@link Similarity} is the same for all. */
final class Finding {
  final double value;
  final Estimator estimator;
  final Route route;
  final List<Warning> warnings = new ArrayList<>();
  final Map<String, Double> details = new LinkedHashMap<>();

  Finding(double value, Estimator estimator, Route route) {
    this.value = value;
    this.estimator = estimator;
    this.route = route;
  }

  /** Of a measure that has one estimator. */
  static Finding of(double value, Route route) {
    return new Finding(value, Estimator.BIASED, route);
  }

  Finding detail(String name, double number) {
    details.put(name, number);
    return this;
  }

  Finding warn(String code, String text) {
    warnings.add(new Warning(code, text));
    return this;
  }
}
