// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.cka.CkaReliability;
import org.merganser.cka.ReliabilityReport;
import org.merganser.compute.Workspace;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Matrix;

/** A report about CKA on a page and in results.json. */
class ReliabilitySectionsTest {
  @TempDir Path folder;

  @Test
  void aPageHasWhatTheReportFound() throws IOException {
    ReliabilityReport found = reliability();
    List<Section<?>> sections = ReliabilitySections.of("fc1", "Layer fc1", found);
    Report report =
        new Report("Title", "Text", Map.of(), sections, Map.of(), Map.of("report", 1.0));
    report.write(folder);
    String page = Files.readString(folder.resolve("report.html"));
    assertThat(page)
        .contains(
            Section.format("%.4f", found.biased().value()),
            Section.format("%.4f", found.debiased().orElseThrow().value()),
            Section.format("p = %.4f", found.significance().p()),
            Section.format("%.4f", found.chance()),
            "Layer fc1: What makes the value doubtful",
            "class 1",
            "Procrustes");
    assertThat(found.warnings()).isNotEmpty();
    found.warnings().forEach(warning -> assertThat(page).contains(warning.code()));
    assertThat(folder.resolve("fc1-translations.png")).isNotEmptyFile();
    Map<?, ?> json = Json.read(folder.resolve("results.json"), Map.class);
    assertThat(json.get("fc1-values"))
        .asInstanceOf(InstanceOfAssertFactories.LIST)
        .first()
        .extracting(row -> ((Map<?, ?>) row).get("value"))
        .isEqualTo(found.biased().value());
    assertThat(Files.readString(folder.resolve("results.json"))).doesNotContain("NaN");
    assertThat(report.tables()).contains("biased").contains("LOW_DIMENSION");
  }

  private static ReliabilityReport reliability() {
    SplittableRandom random = new SplittableRandom(5);
    double[][] x = new double[40][2];
    int[] labels = new int[40];
    for (int i = 0; i < x.length; i++) {
      labels[i] = i % 3;
      x[i][0] = random.nextGaussian();
      x[i][1] = random.nextGaussian();
    }
    try (Workspace ws = Workspace.open();
        Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(x)) {
      return CkaReliability.of(left, right).labels(labels).run(ws);
    }
  }
}
