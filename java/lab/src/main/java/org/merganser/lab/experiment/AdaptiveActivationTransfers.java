// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
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

  /** Whose network did not diverge itself. */
  private static List<Findings> transferred(List<Findings> all) {
    return all.stream().filter(seed -> !seed.map("transfer").containsKey("diverged")).toList();
  }

  private static List<InputShift> shifts(List<Findings> transferred) {
    return transferred.isEmpty() ? List.of() : List.of(InputShift.values());
  }

  private static List<Map<String, Object>> runs(
      List<Findings> seeds, InputShift shift, Adaptation how) {
    return seeds.stream().map(seed -> seed.map("transfer", shift.id(), how.id())).toList();
  }

  private static List<Double> last(List<Map<String, Object>> runs) {
    return runs.stream().map(run -> AdaptiveActivationTables.last(run).accuracy()).toList();
  }

  static Section<?> section(AdaptiveActivationExperiment.Options options, List<Findings> all) {
    List<Findings> seeds = transferred(all);
    List<Transfer> rows = new ArrayList<>();
    for (InputShift shift : shifts(seeds)) {
      for (Adaptation how : Adaptation.values()) {
        List<Map<String, Object>> runs = runs(seeds, shift, how);
        rows.add(
            new Transfer(
                shift.id(),
                how.id(),
                (Double) runs.get(0).get("trained"),
                Measured.of(runs.stream().map(run -> first(run)).toList()),
                Measured.of(last(runs)),
                AdaptiveActivationTables.diverged(runs)));
      }
    }
    Section<Transfer> section =
        new Section<>("transfer", "Inputs of other statistics", about(options, seeds, all), rows)
            .text("inputs", 8, Transfer::inputs)
            .text("adapts", 10, Transfer::adapts)
            .number("parameters", 1, "%.0f", Transfer::trained)
            .number("before", 1, row -> AdaptiveActivationTables.hundred(row.first()).text("%.2f"))
            .number("after", 1, row -> AdaptiveActivationTables.hundred(row.last()).text("%.2f"))
            .number("diverged", 1, row -> "" + row.diverged());
    for (InputShift shift : shifts(seeds)) {
      AdaptiveActivationCharts.adaptation(shift, seeds).ifPresent(section::chart);
    }
    return section;
  }

  private static String about(
      AdaptiveActivationExperiment.Options options, List<Findings> seeds, List<Findings> all) {
    return Section.format(
        "A static network of n = %s, s = %s, trained on %s for %d epochs; accuracy in %% on inputs"
            + " as it knows them %s (%s after half of these), on others before and after %d steps."
            + " A run that diverged counts as a guess. Left out, as the network itself diverged:"
            + " %d of %d seeds.",
        options.transferGain(),
        options.transferSaturation(),
        options.transferred().orElseThrow().id(),
        options.transferEpochs(),
        learned(seeds, 1),
        learned(seeds, 0.5),
        options.transferSteps(),
        all.size() - seeds.size(),
        all.size());
  }

  /**
   * One way to adapt against another, on the same inputs.
   *
   * @param points accuracy in [0, 1] after all steps less that of the other, seed by seed
   * @param beyondSame how much more that is than on inputs that did not change; null for those
   */
  private record Against(
      String inputs, String adapts, String than, Measured points, Measured beyondSame) {}

  static Section<?> differences(List<Findings> all) {
    List<Findings> seeds = transferred(all);
    List<Against> rows = new ArrayList<>();
    for (InputShift shift : shifts(seeds)) {
      for (Adaptation how : Adaptation.values()) {
        for (Adaptation than : Adaptation.values()) {
          if (than.compareTo(how) < 0) {
            rows.add(against(seeds, shift, how, than));
          }
        }
      }
    }
    return new Section<>(
            "transferDifferences",
            "Ways to adapt against each other",
            "Points of test accuracy after all steps, seed by seed, with the 95 % interval, each for"
                + " itself; to adapt nothing is to stay as before. Beyond same: how much more that"
                + " is than in the control, on inputs that did not change, where it is what"
                + " further training gives.",
            rows)
        .text("inputs", 8, Against::inputs)
        .text("adapts", 10, row -> row.adapts() + " - " + row.than())
        .number("points", 1, row -> points(row.points()))
        .number("beyond same", 1, row -> points(row.beyondSame()));
  }

  private static Against against(
      List<Findings> seeds, InputShift shift, Adaptation how, Adaptation than) {
    List<Double> points = less(seeds, shift, how, than);
    Measured beyond =
        shift == InputShift.SAME
            ? null
            : Measured.of(minus(points, less(seeds, InputShift.SAME, how, than)));
    return new Against(shift.id(), how.id(), than.id(), Measured.of(points), beyond);
  }

  private static List<Double> less(
      List<Findings> seeds, InputShift shift, Adaptation how, Adaptation than) {
    return minus(last(runs(seeds, shift, how)), last(runs(seeds, shift, than)));
  }

  private static List<Double> minus(List<Double> a, List<Double> b) {
    return IntStream.range(0, a.size()).mapToObj(i -> a.get(i) - b.get(i)).toList();
  }

  private static String points(Measured measured) {
    return measured == null ? "-" : AdaptiveActivationTables.hundred(measured).text("%+.2f");
  }
}
