// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.AlignmentSet;
import org.merganser.align.FeatureMap;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/** Adds up sorted correlations over models and pairs, space by space. */
final class SpectraCollector {
  private static final String CANONICAL = "canonical";
  private static final String REGULARISED = "regularised";

  private final double gamma;
  private final Map<String, Map<String, Sum>> spaces = new LinkedHashMap<>();
  private final List<String> methods = new ArrayList<>();

  /**
   * @param gamma relative regulariser of the canonical correlations that have one
   */
  SpectraCollector(double gamma) {
    this.gamma = gamma;
  }

  private static final class Sum {
    private double[] values;
    private int count;

    void add(double[] decreasing) {
      values = values == null ? new double[decreasing.length] : values;
      for (int i = 0; i < values.length; i++) {
        values[i] += decreasing[i];
      }
      count++;
    }

    List<Double> mean() {
      return Arrays.stream(values).map(v -> v / count).boxed().toList();
    }
  }

  /** Canonical correlations of every model with the reference. */
  void canonical(Moments moments, Iterable<FeatureSpace> all, Workspace ws) {
    for (FeatureSpace space : all) {
      if (space.symmetry() == MapFamily.FIXED) {
        continue;
      }
      SpaceMoments found = moments.space(space.id());
      for (int model = 1; model < found.models(); model++) {
        add(space.id(), REGULARISED, correlations(found, model, gamma, ws));
        if (found.samples() > space.width()) {
          add(space.id(), CANONICAL, correlations(found, model, 0, ws));
        }
      }
    }
  }

  private static double[] correlations(
      SpaceMoments moments, int model, double relative, Workspace ws) {
    try (Matrix own = moments.covariance(0, 0, ws);
        Matrix other = moments.covariance(model, model, ws);
        Matrix cross = moments.covariance(0, model, ws);
        Cca cca = cca(own, other, cross, relative, ws)) {
      return cca.correlations();
    }
  }

  private static Cca cca(Matrix own, Matrix other, Matrix cross, double relative, Workspace ws) {
    double n = own.rows();
    return Cca.map(
        own, other, cross, relative * own.trace(ws) / n, relative * other.trace(ws) / n, ws);
  }

  /** Correlations of matched features under the maps of an aligner. */
  void matched(String method, Moments moments, AlignmentSet maps, Workspace ws) {
    if (!methods.contains(method)) {
      methods.add(method);
    }
    for (int model = 1; model < maps.size(); model++) {
      for (FeatureSpace space : maps.of(model).architecture().spaces()) {
        if (space.symmetry() != MapFamily.FIXED) {
          FeatureMap map = maps.of(model).map(space.id());
          double[] values = map.matchedCorrelations(moments.space(space.id()), model, ws);
          add(space.id(), "matched " + method, decreasing(values));
        }
      }
    }
  }

  private static double[] decreasing(double[] values) {
    Arrays.sort(values);
    for (int i = 0; i < values.length / 2; i++) {
      double value = values[i];
      values[i] = values[values.length - 1 - i];
      values[values.length - 1 - i] = value;
    }
    return values;
  }

  private void add(String space, String kind, double[] values) {
    spaces
        .computeIfAbsent(space, s -> new LinkedHashMap<>())
        .computeIfAbsent(kind, k -> new Sum())
        .add(values);
  }

  Map<String, CcaMergeResult.Spectra> means() {
    Map<String, CcaMergeResult.Spectra> means = new LinkedHashMap<>();
    spaces.forEach(
        (space, kinds) -> {
          Map<String, List<Double>> matched = new LinkedHashMap<>();
          methods.forEach(method -> matched.put(method, kinds.get("matched " + method).mean()));
          means.put(
              space,
              new CcaMergeResult.Spectra(
                  kinds.containsKey(CANONICAL) ? kinds.get(CANONICAL).mean() : List.of(),
                  kinds.get(REGULARISED).mean(),
                  matched));
        });
    return means;
  }
}
