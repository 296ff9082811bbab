// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.TreeSet;
import org.merganser.lab.experiment.UndertrainingExperiment.Form;

/** What settings of {@link UndertrainingExperiment} must be beside their bounds. */
final class ExpertOptionsCheck {
  private ExpertOptionsCheck() {}

  static void lists(
      List<Double> noise, List<Integer> steps, List<Form> experts, List<ExpertRouter> routers) {
    increasing("steps", "numbers of steps", steps);
    increasing("noise", "parts of wrong labels", noise);
    increasing("experts", "forms of experts", experts);
    increasing("routers", "routers", routers);
    if (experts.contains(Form.MOE) && !experts.contains(Form.LORA)) {
      throw new IllegalArgumentException(
          "experts: moe mixes the experts of lora; name both, lora,moe");
    }
  }

  private static <T extends Comparable<T>> void increasing(String name, String what, List<T> all) {
    if (all.isEmpty() || !List.copyOf(new TreeSet<>(all)).equals(all)) {
      throw new IllegalArgumentException(
          "%s must be %s in increasing order, each once, at least one, not %s"
              .formatted(name, what, all));
    }
  }

  /** An option without effect is a misunderstanding. */
  static void used(UndertrainingExperiment.Options options) {
    boolean synthetic = options.isSynthetic();
    String drawn = "data synthetic has tasks of its own";
    ExperimentOptions.refuse("tasks", synthetic && options.tasks().isPresent(), drawn);
    ExperimentOptions.refuse(
        "keep",
        options.runs().keep().isPresent(),
        "this experiment keeps no models there; trained experts are in --cache");
    boolean planes = options.network().readsPlanes();
    ExperimentOptions.refuse(
        "hidden",
        planes && !options.hidden().isEmpty(),
        "network " + options.network().id() + " does not use it");
    if (synthetic && planes) {
      throw new IllegalArgumentException(
          "network %s reads images, synthetic tasks are vectors; use mlp, or other --data"
              .formatted(options.network().id()));
    }
  }
}
