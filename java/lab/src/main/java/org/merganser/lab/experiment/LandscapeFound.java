// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.merganser.lab.report.Json;

/**
 * The landscapes of all minima and seeds.
 *
 * @param seeds of each, its landscapes by minimum
 */
record LandscapeFound(List<LandscapeMinimum> minima, List<Map<LandscapeMinimum, Landscape>> seeds) {
  LandscapeFound {
    minima = List.copyOf(minima);
    seeds = List.copyOf(seeds);
  }

  static LandscapeFound of(LandscapeExperiment.Options options, List<Findings> seeds) {
    return new LandscapeFound(
        options.minima(), seeds.stream().map(seed -> of(options.minima(), seed)).toList());
  }

  private static Map<LandscapeMinimum, Landscape> of(List<LandscapeMinimum> minima, Findings seed) {
    Map<LandscapeMinimum, Landscape> all = new LinkedHashMap<>();
    for (LandscapeMinimum minimum : minima) {
      Object found = seed.map("landscapes").get(minimum.id());
      all.put(minimum, Json.convert(found, Landscape.class));
    }
    return all;
  }

  boolean has(LandscapeMinimum minimum) {
    return minima.contains(minimum);
  }

  /** Of one minimum, seed by seed. */
  List<Landscape> of(LandscapeMinimum minimum) {
    return seeds.stream().map(seed -> seed.get(minimum)).toList();
  }

  /** A number of one minimum, seed by seed. */
  List<Double> each(LandscapeMinimum minimum, ToDoubleFunction<Landscape> value) {
    return of(minimum).stream().mapToDouble(value).boxed().toList();
  }

  Measured measured(LandscapeMinimum minimum, ToDoubleFunction<Landscape> value) {
    return Measured.of(each(minimum, value));
  }

  /** Seed by seed, by the names of the minima. */
  List<Map<String, Landscape>> byId() {
    return seeds.stream()
        .map(
            seed -> {
              Map<String, Landscape> named = new LinkedHashMap<>();
              seed.forEach((minimum, landscape) -> named.put(minimum.id(), landscape));
              return named;
            })
        .toList();
  }

  /** Of the first seed, for pictures. */
  Landscape first(LandscapeMinimum minimum) {
    return seeds.get(0).get(minimum);
  }
}
