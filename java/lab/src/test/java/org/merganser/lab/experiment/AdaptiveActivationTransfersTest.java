// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.lab.experiment.AdaptiveActivationExperimentTest.experiment;
import static org.merganser.lab.experiment.AdaptiveActivationExperimentTest.journal;
import static org.merganser.lab.experiment.AdaptiveActivationExperimentTest.run;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.data.IdxFolder;
import org.merganser.lab.report.Section;

/** Networks that meet other inputs. */
class AdaptiveActivationTransfersTest {
  @TempDir Path folder;

  @Test
  void whatAdaptsIsWhatItSays() throws IOException {
    run(Map.of("out", folder.toString()));
    Findings seed = journal(folder).get(0);
    assertThat(AdaptiveActivationTables.list(seed.map("transfer", "same", "nothing"), "accuracy"))
        .containsExactly((Double) seed.map("transfer").get("before"));
    // Two epochs of two batches.
    assertThat(AdaptiveActivationTables.list(seed.map("transfer", "learned"), "steps"))
        .containsExactly(0., 1., 2., 3., 4.);
    for (String shift : List.of("same", "halved", "doubled", "lifted", "wave", "step")) {
      Map<String, Object> nothing = seed.map("transfer", shift, "nothing");
      assertThat((Double) nothing.get("trained")).isZero();
      for (Adaptation how : Adaptation.values()) {
        Map<String, Object> run = seed.map("transfer", shift, how.id());
        assertThat(AdaptiveActivationTables.list(run, "loss").get(0))
            .isCloseTo(AdaptiveActivationTables.list(nothing, "loss").get(0), within(1e-6));
      }
      assertThat((Double) seed.map("transfer", shift, "n, s of all units").get("trained"))
          .isEqualTo(2);
      assertThat((Double) seed.map("transfer", shift, "n, s of each unit").get("trained"))
          .isEqualTo(16);
    }
  }

  /** Seed by seed, and less what the same steps give on inputs that did not change. */
  @Test
  void waysToAdaptAreComparedInPairs() throws IOException {
    String out = folder.resolve("found").toString();
    Path data = IdxFolder.write(folder.resolve("images"), 80, 60, 10);
    ExperimentResult result =
        run(
            Map.ofEntries(
                Map.entry("data", data.toString()),
                Map.entry("train", "60"),
                Map.entry("seeds", "3"),
                Map.entry("gains", "5"),
                Map.entry("saturations", "0.5"),
                Map.entry("lr", "0.02"),
                Map.entry("transfer-steps", "6"),
                Map.entry("out", out)));
    assertThat(section(result, "transfer").about()).contains("trained on rows for 2 epochs");
    List<Findings> seeds = journal(folder.resolve("found"));
    List<Double> points = new ArrayList<>();
    List<Double> beyond = new ArrayList<>();
    for (Findings seed : seeds) {
      points.add(gained(seed, "doubled"));
      beyond.add(gained(seed, "doubled") - gained(seed, "same"));
    }
    String row =
        result.section("transferDifferences").stream()
            .map(Object::toString)
            .filter(each -> each.contains("inputs=doubled, adapts=all parameters, than=n, s of e"))
            .findFirst()
            .orElseThrow();
    assertThat(points).isNotEqualTo(beyond);
    assertThat(row)
        .contains("points=" + Measured.of(points))
        .contains("beyondSame=" + Measured.of(beyond));
    assertThat(Measured.of(points).low()).isNotNull();
  }

  @Test
  void rowsAreTransferredBeforePixels() {
    assertThat(experiment(Map.of("tasks", "copy:pixels:rows")).options().transferred())
        .contains(SequenceTask.ROWS);
    assertThat(experiment(Map.of("tasks", "copy:pixels")).options().transferred())
        .contains(SequenceTask.PIXELS);
    assertThat(experiment(Map.of("tasks", "copy")).options().transferred()).isEmpty();
    assertThat(experiment(Map.of("transfer-steps", "0")).options().transferred()).isEmpty();
  }

  private static double gained(Findings seed, String inputs) {
    return end(seed, inputs, Adaptation.ALL) - end(seed, inputs, Adaptation.OWN_SHAPE);
  }

  private static double end(Findings seed, String inputs, Adaptation how) {
    return AdaptiveActivationTables.last(seed.map("transfer", inputs, how.id())).accuracy();
  }

  private static Section<?> section(ExperimentResult result, String id) {
    return result.report().sections().stream()
        .filter(section -> section.id().equals(id))
        .findFirst()
        .orElseThrow();
  }
}
