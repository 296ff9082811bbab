// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.lab.report.Section;

/** What {@link AdaptiveActivationExperiment} tells of networks that met other inputs. */
final class AdaptiveActivationTransfers {
  private AdaptiveActivationTransfers() {}

  /**
   * What a network makes of other inputs.
   *
   * @param trained parameters that follow
   * @param first accuracy on them before any step
   * @param last after all steps; of a run that diverged that of a guess
   * @param diverged in how many seeds
   */
  private record Transfer(
      String inputs, String adapts, double trained, Measured first, Measured last, int diverged) {}

  /** Test accuracy before the first step; that of a guess where none could be measured. */
  private static double first(Map<String, Object> run) {
    List<Double> values = AdaptiveActivationTables.list(run, "accuracy");
    return values.isEmpty() ? AdaptiveActivationTables.last(run).accuracy() : values.get(0);
  }

  /** Why the networks of some seeds were not transferred. */
  static List<String> diverged(List<Findings> seeds) {
    List<String> why = new ArrayList<>();
    for (int i = 0; i < seeds.size(); i++) {
      Object diverged = seeds.get(i).map("transfer").get("diverged");
      if (diverged != null) {
        why.add("seed " + (i + 1) + ": " + diverged);
      }
    }
    return why;
  }

  /** Accuracy of networks that are to meet other inputs, after a part of their training. */
  private static String learned(List<Findings> seeds, double part) {
    if (seeds.isEmpty()) {
      return "-";
    }
    List<Double> accuracies = new ArrayList<>();
    for (Findings seed : seeds) {
      List<Double> all = AdaptiveActivationTables.list(seed.map("transfer", "learned"), "accuracy");
      accuracies.add(all.get((int) (part * (all.size() - 1))));
    }
    return AdaptiveActivationTables.hundred(Measured.of(accuracies)).text("%.2f");
  }

  static Section<?> section(AdaptiveActivationExperiment.Options options, List<Findings> all) {
    List<Findings> seeds =
        all.stream().filter(seed -> !seed.map("transfer").containsKey("diverged")).toList();
    List<Transfer> rows = new ArrayList<>();
    List<InputShift> shifts = seeds.isEmpty() ? List.of() : List.of(InputShift.values());
    for (InputShift shift : shifts) {
      for (Adaptation how : Adaptation.values()) {
        List<Map<String, Object>> runs =
            seeds.stream().map(seed -> seed.map("transfer", shift.id(), how.id())).toList();
        rows.add(
            new Transfer(
                shift.id(),
                how.id(),
                (Double) runs.get(0).get("trained"),
                Measured.of(runs.stream().map(run -> first(run)).toList()),
                Measured.of(
                    runs.stream()
                        .map(run -> AdaptiveActivationTables.last(run).accuracy())
                        .toList()),
                AdaptiveActivationTables.diverged(runs)));
      }
    }
    Section<Transfer> section =
        new Section<>(
                "transfer",
                "Inputs of other statistics",
                Section.format(
                    "A static network of n = %s, s = %s, trained for %d epochs; accuracy in %% on"
                        + " inputs as it knows them %s (%s after half of these), on others before"
                        + " and after %d steps. A run that diverged counts as a guess. Left out, as"
                        + " the network itself diverged: %d of %d seeds.",
                    options.transferGain(),
                    options.transferSaturation(),
                    options.transferEpochs(),
                    learned(seeds, 1),
                    learned(seeds, 0.5),
                    options.transferSteps(),
                    all.size() - seeds.size(),
                    all.size()),
                rows)
            .text("inputs", 8, Transfer::inputs)
            .text("adapts", 10, Transfer::adapts)
            .number("parameters", 1, "%.0f", Transfer::trained)
            .number("before", 1, row -> AdaptiveActivationTables.hundred(row.first()).text("%.2f"))
            .number("after", 1, row -> AdaptiveActivationTables.hundred(row.last()).text("%.2f"))
            .number("diverged", 1, row -> "" + row.diverged());
    for (InputShift shift : shifts) {
      AdaptiveActivationCharts.adaptation(shift, seeds).ifPresent(section::chart);
    }
    return section;
  }
}
