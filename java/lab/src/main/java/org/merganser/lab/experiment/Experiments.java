// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.method.Settings;

/** Every experiment, in the order of help. A new one is offered by its line here. */
public final class Experiments {
  private static final List<Kind<?>> ALL =
      List.of(
          new Kind<>(
              CcaMergeExperiment.ID,
              "Trains, aligns with every method, merges and compares (CCA Merge, 2024).",
              Settings.of(CcaMergeExperiment.Options.defaults()),
              CcaMergeExperiment::new),
          new Kind<>(
              NpMergeExperiment.ID,
              "Trains, aligns, learns a coefficient for each parameter, compares with averages,"
                  + " fine-tuned averages and the ensemble (NP Merge, 2024).",
              Settings.of(NpMergeExperiment.Options.defaults()),
              NpMergeExperiment::new));

  private Experiments() {}

  public static List<Kind<?>> all() {
    return ALL;
  }

  /**
   * An experiment as it is listed.
   *
   * @param summary a sentence for help
   * @param <O> its settings
   */
  public record Kind<O extends Record>(
      String id, String summary, Settings<O> settings, Function<O, Experiment> factory) {
    /** With some settings changed, as {@link Settings#parse(String, Map)} takes them. */
    public Experiment with(Map<String, String> given) {
      return factory.apply(settings.parse("", given));
    }
  }
}
