// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.LinkedHashMap;
import java.util.Map;

/** How near a moved source is to its target: squared distances by family, and cosines of units. */
final class Fit {
  private final Map<String, Double> distances = new LinkedHashMap<>();
  private final double[] products;
  private final double[] targets;
  private final double[] sources;

  /**
   * @param units hidden units or KV heads, each with all its rows
   */
  Fit(int units) {
    products = new double[units];
    targets = new double[units];
    sources = new double[units];
  }

  /** Rows of all units, as many of each. */
  Fit rows(String family, Rows target, Rows moved) {
    double[] a = new double[target.width()];
    double[] b = new double[target.width()];
    int each = target.count() / products.length;
    double sum = 0;
    for (int i = 0; i < target.count(); i++) {
      target.read(i, a);
      moved.read(i, b);
      double distance = 0;
      double product = 0;
      double here = 0;
      double there = 0;
      for (int j = 0; j < a.length; j++) {
        double difference = a[j] - b[j];
        distance += difference * difference;
        product += a[j] * b[j];
        here += a[j] * a[j];
        there += b[j] * b[j];
      }
      sum += distance;
      products[i / each] += product;
      targets[i / each] += here;
      sources[i / each] += there;
    }
    return distance(family, sum);
  }

  Fit distance(String family, double squared) {
    distances.merge(family, squared, Double::sum);
    return this;
  }

  Map<String, Double> distances() {
    return distances;
  }

  double total() {
    double sum = 0;
    for (double each : distances.values()) {
      sum += each;
    }
    return sum;
  }

  /** Of target and moved source, over the units; that of nothing is 0. */
  double meanCosine() {
    double sum = 0;
    for (int i = 0; i < products.length; i++) {
      double norms = Math.sqrt(targets[i]) * Math.sqrt(sources[i]);
      sum += norms == 0 ? 0 : products[i] / norms;
    }
    return sum / products.length;
  }
}
