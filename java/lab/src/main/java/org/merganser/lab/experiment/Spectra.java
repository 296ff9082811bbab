// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/**
 * Sorted correlations of features, in the findings under space and kind: a list for each model.
 *
 * @param gamma relative regulariser of the canonical correlations that have one
 */
record Spectra(double gamma) {
  static final String SPECTRA = "spectra";
  static final String CANONICAL = "canonical";
  static final String REGULARISED = "regularised";
  static final String MATCHED = "matched";

  private static Stream<FeatureSpace> spaces(Pair pair) {
    return pair.network().architecture().spaces().stream()
        .filter(space -> space.symmetry() != MapFamily.FIXED);
  }

  /** Canonical correlations of every model with the reference. */
  void canonical(Pair pair, Moments moments) {
    spaces(pair)
        .forEach(
            space -> {
              SpaceMoments found = moments.space(space.id());
              Map<String, Object> kinds = pair.findings().map(SPECTRA, space.id());
              for (int model = 1; model < found.models(); model++) {
                add(kinds, REGULARISED, correlations(found, model, gamma, pair.ws()));
                if (found.samples() > space.width()) {
                  add(kinds, CANONICAL, correlations(found, model, 0, pair.ws()));
                }
              }
            });
  }

  private static double[] correlations(
      SpaceMoments moments, int model, double relative, Workspace ws) {
    try (Matrix own = moments.covariance(0, 0, ws);
        Matrix other = moments.covariance(model, model, ws);
        Matrix cross = moments.covariance(0, model, ws);
        Cca cca =
            Cca.map(
                own,
                other,
                cross,
                relative * own.trace(ws) / own.rows(),
                relative * other.trace(ws) / own.rows(),
                ws)) {
      return cca.correlations();
    }
  }

  /** Correlations of matched features under the maps of an aligner. */
  void matched(Pair pair, String aligner, Moments moments, AlignmentSet maps) {
    for (int model = 1; model < maps.size(); model++) {
      int k = model;
      spaces(pair)
          .forEach(
              space ->
                  add(
                      pair.findings().map(SPECTRA, space.id(), MATCHED),
                      aligner,
                      maps.of(k)
                          .map(space.id())
                          .matchedCorrelations(moments.space(space.id()), k, pair.ws())));
    }
  }

  @SuppressWarnings("unchecked")
  private static void add(Map<String, Object> kinds, String kind, double[] values) {
    List<Double> sorted = new ArrayList<>(Summary.list(values));
    Collections.sort(sorted, Comparator.reverseOrder());
    ((List<Object>) kinds.computeIfAbsent(kind, k -> new ArrayList<>())).add(sorted);
  }

  /** Means of one kind over models and pairs, rank by rank; empty when there are none. */
  static List<Double> mean(List<Map<String, Object>> pairs, String kind) {
    List<Double> sum = new ArrayList<>();
    int count = 0;
    for (Map<String, Object> kinds : pairs) {
      List<List<Double>> models = kinds.containsKey(kind) ? Findings.list(kinds, kind) : List.of();
      for (List<Double> values : models) {
        for (int i = 0; i < values.size(); i++) {
          if (sum.size() <= i) {
            sum.add(values.get(i));
          } else {
            sum.set(i, sum.get(i) + values.get(i));
          }
        }
        count++;
      }
    }
    int n = count;
    return sum.stream().map(value -> value / n).toList();
  }
}
