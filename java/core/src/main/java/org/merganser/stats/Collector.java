// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.PairedActivations;
import org.merganser.stats.StatisticsRequest.Pair;

/** Collects moments of paired activations, in waves of taps whose accumulators fit the budget. */
final class Collector {
  private final PairedActivations source;
  private final Architecture architecture;
  private final int models;
  private final long samples;
  private final StatisticsRequest request;
  private final Moments.Options options;
  private final Workspace ws;

  /**
   * @param architecture says which axis of a space counts features; other taps have axis 1
   * @param samples of one pass
   */
  Collector(
      PairedActivations source,
      Architecture architecture,
      int models,
      long samples,
      StatisticsRequest request,
      Moments.Options options,
      Workspace ws) {
    this.source = source;
    this.architecture = architecture;
    this.models = models;
    this.samples = samples;
    this.request = request;
    this.options = options;
    this.ws = ws;
  }

  /**
   * As many passes as there are waves.
   *
   * @param widths number of features of each tap
   * @param stage what progress calls it
   */
  Moments collect(Map<String, Long> widths, String stage) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, SpaceMoments> found = new LinkedHashMap<>();
      List<Map<String, Long>> waves = waves(widths);
      for (int w = 0; w < waves.size(); w++) {
        String which = waves.size() == 1 ? "" : " " + (w + 1) + "/" + waves.size();
        wave(waves.get(w), stage + which)
            .forEach((tap, moments) -> found.put(tap, opened.add(moments)));
      }
      opened.release();
      return new Moments(found);
    }
  }

  private Map<String, SpaceMoments> wave(Map<String, Long> widths, String stage)
      throws IOException {
    try (Opened opened = new Opened();
        Opened results = new Opened()) {
      Map<String, MomentAccumulator> accumulators = new LinkedHashMap<>();
      widths.forEach((tap, width) -> accumulators.put(tap, opened.add(accumulator(tap, width))));
      source.each(
          widths.keySet(),
          batch -> {
            accumulators.forEach(
                (tap, accumulator) -> accumulator.update(batch.of(tap), featureAxis(tap)));
            ws.progress().report(stage, batch.first() + batch.samples(), samples);
          },
          ws);
      Map<String, SpaceMoments> found = new LinkedHashMap<>();
      accumulators.forEach(
          (tap, accumulator) -> found.put(tap, results.add(accumulator.moments())));
      results.release();
      return found;
    }
  }

  private MomentAccumulator accumulator(String tap, long width) {
    long[] features = new long[models];
    Arrays.fill(features, width);
    return new MomentAccumulator(
        tap, features, request, options.precision(), options.nonFinite(), ws);
  }

  private int featureAxis(String tap) {
    return architecture.spaces().stream()
        .filter(space -> space.id().equals(tap))
        .mapToInt(FeatureSpace::featureAxis)
        .findFirst()
        .orElse(1);
  }

  private List<Map<String, Long>> waves(Map<String, Long> widths) {
    List<Map<String, Long>> waves = new ArrayList<>();
    long used = 0;
    List<Pair> pairs = request.pairs(models);
    for (Map.Entry<String, Long> tap : widths.entrySet()) {
      // F64 state, and F32 accumulators beside it in MIXED.
      long bytes = 12 * tap.getValue() * tap.getValue() * pairs.size();
      if (waves.isEmpty() || used + bytes > options.budget()) {
        waves.add(new LinkedHashMap<>());
        used = 0;
      }
      waves.get(waves.size() - 1).put(tap.getKey(), tap.getValue());
      used += bytes;
    }
    return waves;
  }
}
