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
              NpMergeExperiment::new),
          new Kind<>(
              CkaSensitivityExperiment.ID,
              "Moves samples, maps them, adds an outlier: what CKA becomes where nothing else"
                  + " changes (Reliability of CKA, 2023).",
              Settings.of(CkaSensitivityExperiment.Options.defaults()),
              CkaSensitivityExperiment::new),
          new Kind<>(
              CkaEarlyLayersExperiment.ID,
              "Compares trained, memorising and untrained networks layer by layer by CKA"
                  + " (Reliability of CKA, 2023).",
              Settings.of(CkaEarlyLayersExperiment.Options.defaults()),
              CkaEarlyLayersExperiment::new),
          new Kind<>(
              CkaMapExperiment.ID,
              "Moves the CKA map of a trained network to chosen ones while it goes on saying what"
                  + " it said (Reliability of CKA, 2023).",
              Settings.of(CkaMapExperiment.Options.defaults()),
              CkaMapExperiment::new),
          new Kind<>(
              SkillTransferExperiment.ID,
              "Adds what a small decoder learned to others that diverged in training, as it is and"
                  + " aligned over the symmetries of transformers (2025).",
              Settings.of(SkillTransferExperiment.Options.defaults()),
              SkillTransferExperiment::new),
          new Kind<>(
              UndertrainingExperiment.ID,
              "Fine-tunes experts for a range of lengths, in whole and by adapters, merges those of"
                  + " each by several methods, and says when to stop (Less is More, 2025).",
              Settings.of(UndertrainingExperiment.Options.defaults()),
              UndertrainingExperiment::new),
          new Kind<>(
              AdaptiveActivationExperiment.ID,
              "Trains recurrent networks whose units keep or learn their shape from a grid of"
                  + " starts, then changes their inputs (Adaptive activations, 2020).",
              Settings.of(AdaptiveActivationExperiment.Options.defaults()),
              AdaptiveActivationExperiment::new),
          new Kind<>(
              RnnDynamicsExperiment.ID,
              "Follows what each step of a recurrent network makes of images, during them and after"
                  + " (representation dynamics, 2020).",
              Settings.of(RnnDynamicsExperiment.Options.defaults()),
              RnnDynamicsExperiment::new),
          new Kind<>(
              LandscapeExperiment.ID,
              "Samples the loss around minima that generalise well and badly, embeds what it finds"
                  + " and counts its valleys (loss landscapes, 2022).",
              Settings.of(LandscapeExperiment.Options.defaults()),
              LandscapeExperiment::new));

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
