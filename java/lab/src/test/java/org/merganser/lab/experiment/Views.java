// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Sections of results with the types of their values. */
final class Views {
  private Views() {}

  /** A line between models. */
  record Path(
      String method,
      List<Double> lambdas,
      List<Double> accuracies,
      List<Double> losses,
      double accuracyBarrier,
      double lossBarrier) {}

  /** Correlations in one space. */
  record Spectrum(
      List<Double> canonical, List<Double> regularised, Map<String, List<Double>> matched) {}

  /** How learning went. */
  record Curve(
      String method,
      List<Long> steps,
      List<Double> heldOut,
      List<Double> batchLoss,
      List<Run> runs) {}

  /** In one pair. */
  record Run(List<Double> losses, List<Long> steps, List<Double> heldOut, long bestStep) {}

  /** A method of the curve over numbers of samples. */
  record Samples(
      String aligner,
      List<Long> counts,
      List<Double> accuracy,
      List<Double> accuracySd,
      List<Double> loss,
      List<List<Double>> pairs) {}

  @SuppressWarnings("unchecked")
  private static <T> T get(Map<String, Object> row, String name) {
    return (T) row.get(name);
  }

  static List<Path> paths(ExperimentResult result) {
    return result.section("paths").stream()
        .map(
            row ->
                new Path(
                    get(row, "method"),
                    get(row, "lambdas"),
                    get(row, "accuracies"),
                    get(row, "losses"),
                    Views.<Double>get(row, "accuracyBarrier"),
                    Views.<Double>get(row, "lossBarrier")))
        .toList();
  }

  static Map<String, Spectrum> spectra(ExperimentResult result) {
    Map<String, Spectrum> spectra = new LinkedHashMap<>();
    for (Map<String, Object> row : result.section("spectra")) {
      spectra.put(
          get(row, "space"),
          new Spectrum(get(row, "canonical"), get(row, "regularised"), get(row, "matched")));
    }
    return spectra;
  }

  static List<Curve> curves(ExperimentResult result) {
    return result.section("curves").stream()
        .map(
            row ->
                new Curve(
                    get(row, "method"),
                    get(row, "steps"),
                    get(row, "heldOut"),
                    get(row, "batchLoss"),
                    Views.<List<Map<String, Object>>>get(row, "pairs").stream()
                        .map(
                            run ->
                                new Run(
                                    get(run, "batchLoss"),
                                    get(run, "steps"),
                                    get(run, "heldOut"),
                                    Views.<Long>get(run, "bestStep")))
                        .toList()))
        .toList();
  }

  static Map<String, Map<String, List<Long>>> coefficients(ExperimentResult result) {
    Map<String, Map<String, List<Long>>> all = new LinkedHashMap<>();
    result.section("coefficients").forEach(row -> all.put(get(row, "tensor"), get(row, "counts")));
    return all;
  }

  static Map<String, Samples> samples(ExperimentResult result) {
    Map<String, Samples> all = new LinkedHashMap<>();
    for (Map<String, Object> row : result.section("samples")) {
      all.put(
          get(row, "method"),
          new Samples(
              get(row, "aligner"),
              get(row, "samples"),
              get(row, "accuracy"),
              get(row, "accuracySd"),
              get(row, "loss"),
              get(row, "pairs")));
    }
    return all;
  }
}
