// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.plan.Catalogue;
import org.merganser.recipe.MergeJob;
import org.merganser.repair.Repair;

/**
 * The key {@code repair} of a recipe: repairs of a network that is known here, run on data, as
 * {@code merge A B --repair} does.
 *
 * @param methods repairs, one after the other
 * @param network as {@code --network} has it
 * @param data likewise
 * @param samples the options for samples that go with it
 */
record RecipeRepair(List<String> methods, String network, String data, Map<String, String> samples)
    implements MergeJob.Repairing {

  /**
   * @throws RecipeException when there is no such repair or network
   */
  static RecipeRepair of(YamlMap map) {
    List<String> keys = List.of("method", "network", "data", "train", "shrink", "statistics");
    map.allow(keys, Map.of());
    Map<String, String> samples = new LinkedHashMap<>();
    for (String key : NetworkOptions.SAMPLES) {
      map.optional(key, map::text).ifPresent(text -> samples.put(key, text));
    }
    RecipeRepair repair =
        new RecipeRepair(
            map.required(
                "method",
                (at, node) ->
                    YamlMap.isList(node)
                        ? map.list(at, node, map::text)
                        : List.of(map.text(at, node))),
            map.required("network", map::text),
            map.required("data", map::text),
            samples);
    repair.check();
    return repair;
  }

  private void check() {
    try {
      methods.forEach(Catalogue.repairs()::method);
    } catch (IllegalArgumentException e) {
      throw new RecipeException("repair.method", e.getMessage(), e);
    }
    options();
  }

  private ExperimentOptions options() {
    try {
      return NetworkOptions.options("network", network, data, samples);
    } catch (IllegalArgumentException e) {
      throw new RecipeException("repair.network", e.getMessage(), e);
    }
  }

  @Override
  public String description() {
    return String.join(", ", methods) + " of " + network + " on " + data + " " + samples;
  }

  @Override
  public List<Path> inputs() throws IOException {
    return NetworkOptions.files(data);
  }

  /** With its data, which are read once: their shape is the network's. */
  @Override
  public Ready prepare(Checkpoint merged) throws IOException {
    List<Repair> ways = methods.stream().map(Catalogue.repairs()::method).toList();
    try (Opened opened = new Opened()) {
      RunningNetwork running = RunningNetwork.open(options(), opened);
      ways.forEach(way -> way.check(running.network()));
      running.network().requireShapes("the merged model", merged);
      opened.release();
      return new Loaded(merged, ways, running);
    }
  }

  private record Loaded(Checkpoint merged, List<Repair> ways, RunningNetwork running)
      implements Ready {
    @Override
    public Checkpoint repair(List<Checkpoint> models, List<Double> shares, Workspace ws)
        throws IOException {
      try (Opened opened = new Opened()) {
        Checkpoint made = merged;
        for (Repair way : ways) {
          made = opened.add(way.apply(running.broken(made, models, shares), ws));
        }
        // What it was made with ends here.
        return MemoryCheckpoint.copyOf(made, ws);
      }
    }

    @Override
    public void close() {
      running.data().close();
    }
  }
}
