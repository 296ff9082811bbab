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
              CcaMergeExperiment.Options.defaults(),
              CcaMergeExperiment::new),
          new Kind<>(
              NpMergeExperiment.ID,
              "Trains, aligns, learns a coefficient for each parameter, compares with averages,"
                  + " fine-tuned averages and the ensemble (NP Merge, 2024).",
              NpMergeExperiment.Options.defaults(),
              NpMergeExperiment::new));

  private Experiments() {}

  public static List<Kind<?>> all() {
    return ALL;
  }

  /**
   * An experiment as it is listed.
   *
   * @param <O> its settings
   */
  public static final class Kind<O extends Record> {
    private final String id;
    private final String summary;
    private final Settings<O> settings;
    private final Function<O, Experiment> factory;

    private Kind(String id, String summary, O defaults, Function<O, Experiment> factory) {
      this.id = id;
      this.summary = summary;
      this.settings = Settings.of(defaults);
      this.factory = factory;
    }

    public String id() {
      return id;
    }

    /** A sentence for help. */
    public String summary() {
      return summary;
    }

    public Settings<O> settings() {
      return settings;
    }

    /**
     * With some settings changed.
     *
     * @param given names and texts, as {@link Settings#parse(String, Map)}
     */
    public Experiment with(Map<String, String> given) {
      return factory.apply(settings.parse("", given));
    }
  }
}
