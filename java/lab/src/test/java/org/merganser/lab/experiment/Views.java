// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.lab.experiment.CcaMergeCharts.Spectrum;
import org.merganser.lab.experiment.NpMergeCharts.Coefficients;
import org.merganser.lab.experiment.NpMergeCharts.Curve;
import org.merganser.lab.experiment.NpMergeCharts.Samples;
import org.merganser.lab.report.Json;

/** Sections of results with the types of their rows. */
final class Views {
  private Views() {}

  @SuppressWarnings("unchecked")
  static <T> List<T> rows(ExperimentResult result, String section) {
    return (List<T>) result.section(section);
  }

  private static <T> Map<String, T> byName(List<T> rows, Function<T, String> name) {
    Map<String, T> all = new LinkedHashMap<>();
    rows.forEach(row -> all.put(name.apply(row), row));
    return all;
  }

  static List<CcaMergeCharts.Path> paths(ExperimentResult result) {
    return rows(result, "paths");
  }

  static Map<String, Spectrum> spectra(ExperimentResult result) {
    return byName(rows(result, "spectra"), Spectrum::space);
  }

  static List<Curve> curves(ExperimentResult result) {
    return rows(result, "curves");
  }

  static Map<String, Map<String, List<Long>>> coefficients(ExperimentResult result) {
    Map<String, Map<String, List<Long>>> all = new LinkedHashMap<>();
    Views.<Coefficients>rows(result, "coefficients")
        .forEach(row -> all.put(row.tensor(), row.counts()));
    return all;
  }

  static Map<String, Samples> samples(ExperimentResult result) {
    return byName(rows(result, "samples"), Samples::method);
  }

  static List<Map<String, String>> chosen(ExperimentResult result) {
    return rows(result, "chosen");
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> json(Path path) throws IOException {
    return Json.read(path, Map.class);
  }
}
