// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.merganser.compute.Workspace;
import org.merganser.internal.Tasks;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.stats.StatisticsRequest.Pair;

/** Collects moments from forward passes, in waves of taps whose accumulators fit the budget. */
final class Collector {
  private final Network network;
  private final Map<String, Long> widths;
  private final Mode mode;
  private final List<? extends Checkpoint> models;
  private final Inputs inputs;
  private final StatisticsRequest request;
  private final Moments.Options options;
  private final Workspace ws;

  /**
   * @param widths number of features of each tap
   */
  Collector(
      Network network,
      Map<String, Long> widths,
      Mode mode,
      List<? extends Checkpoint> models,
      Inputs inputs,
      StatisticsRequest request,
      Moments.Options options,
      Workspace ws) {
    if (models.isEmpty()) {
      throw new IllegalArgumentException("no models to collect statistics of");
    }
    this.network = network;
    this.widths = widths;
    this.mode = mode;
    this.models = models;
    this.inputs = inputs;
    this.request = request;
    this.options = options;
    this.ws = ws;
  }

  Moments collect() throws IOException {
    for (int k = 0; k < models.size(); k++) {
      network.architecture().require("model " + k, models.get(k));
    }
    List<Network.Session> sessions = new ArrayList<>();
    try (Tasks tasks = new Tasks(Math.min(ws.threads(), models.size()))) {
      for (Checkpoint model : models) {
        sessions.add(network.open(model, ws));
      }
      Map<String, SpaceMoments> result = new LinkedHashMap<>();
      List<List<String>> waves = waves();
      for (int w = 0; w < waves.size(); w++) {
        String stage = "statistics" + (waves.size() == 1 ? "" : " " + (w + 1) + "/" + waves.size());
        result.putAll(wave(waves.get(w), sessions, tasks, stage));
      }
      return new Moments(result);
    } finally {
      sessions.forEach(Network.Session::close);
    }
  }

  private Map<String, SpaceMoments> wave(
      List<String> taps, List<Network.Session> sessions, Tasks tasks, String stage)
      throws IOException {
    Map<String, MomentAccumulator> accumulators = new LinkedHashMap<>();
    try {
      for (String tap : taps) {
        long[] features = new long[sessions.size()];
        Arrays.fill(features, widths.get(tap));
        accumulators.put(
            tap,
            new MomentAccumulator(
                tap, features, request, options.precision(), options.nonFinite(), ws));
      }
      long done = 0;
      for (Iterator<Tensor> batches = inputs.open(ws.seed()); batches.hasNext(); ) {
        ws.cancellation().check();
        Tensor batch = batches.next();
        update(accumulators, activations(batch, sessions, tasks, Set.copyOf(taps)));
        done += batch.dim(0);
        ws.progress().report(stage, done, inputs.samples());
      }
      Map<String, SpaceMoments> result = new LinkedHashMap<>();
      accumulators.forEach((id, accumulator) -> result.put(id, accumulator.moments()));
      return result;
    } finally {
      accumulators.values().forEach(MomentAccumulator::close);
    }
  }

  /** Models run at the same time, each in its own session. */
  private Map<String, List<Tensor>> activations(
      Tensor batch, List<Network.Session> sessions, Tasks tasks, Set<String> taps)
      throws IOException {
    List<Callable<Map<String, Tensor>>> runs = new ArrayList<>();
    for (Network.Session session : sessions) {
      runs.add(
          () -> {
            Map<String, Tensor> found = new LinkedHashMap<>();
            session.run(batch, mode, taps, found::put);
            return found;
          });
    }
    Map<String, List<Tensor>> byTap = new LinkedHashMap<>();
    for (Map<String, Tensor> found : tasks.all(runs)) {
      found.forEach(
          (tap, tensor) -> byTap.computeIfAbsent(tap, t -> new ArrayList<>()).add(tensor));
    }
    return byTap;
  }

  private void update(
      Map<String, MomentAccumulator> accumulators, Map<String, List<Tensor>> activations) {
    accumulators.forEach(
        (id, accumulator) -> {
          List<Tensor> tensors = activations.get(id);
          if (tensors == null) {
            throw new IllegalArgumentException("the network gave no activations of '" + id + "'");
          }
          accumulator.update(tensors, featureAxis(id));
        });
  }

  /** That of the space; a tap of a layer has features on axis 1. */
  private int featureAxis(String tap) {
    return network.architecture().spaces().stream()
        .filter(space -> space.id().equals(tap))
        .mapToInt(FeatureSpace::featureAxis)
        .findFirst()
        .orElse(1);
  }

  private List<List<String>> waves() {
    List<List<String>> waves = new ArrayList<>();
    long used = 0;
    List<Pair> pairs = request.pairs(models.size());
    for (Map.Entry<String, Long> tap : widths.entrySet()) {
      // F64 state, and F32 accumulators beside it in MIXED.
      long bytes = 12 * tap.getValue() * tap.getValue() * pairs.size();
      if (waves.isEmpty() || used + bytes > options.budget()) {
        waves.add(new ArrayList<>());
        used = 0;
      }
      waves.get(waves.size() - 1).add(tap.getKey());
      used += bytes;
    }
    return waves;
  }
}
