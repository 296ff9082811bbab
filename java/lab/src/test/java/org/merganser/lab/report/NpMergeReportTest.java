// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.Json;
import org.merganser.lab.experiment.ExperimentResult;
import org.merganser.lab.experiment.NpMergeOptions;
import org.merganser.lab.experiment.NpMergeResult;
import org.merganser.model.EarlyStopping.HeldOut;

class NpMergeReportTest {
  @TempDir Path folder;

  private static NpMergeResult result(int pairs) {
    OptionalDouble half = pairs == 1 ? OptionalDouble.empty() : OptionalDouble.of(0.015625);
    NpMergeResult.LearningRun run =
        new NpMergeResult.LearningRun(
            List.of(0.75, 0.5), List.of(new HeldOut(0, 0.875), new HeldOut(2, 0.625)), 2);
    NpMergeResult.SamplePoint point =
        new NpMergeResult.SamplePoint(
            0.8125,
            0,
            0.375,
            Collections.nCopies(pairs, 0.8125),
            Collections.nCopies(pairs, 0.375));
    return new NpMergeResult(
        NpMergeOptions.builder("blobs").pairs(pairs).aligners(List.of("cca")).build(),
        new ExperimentResult.Data("a < b", 100, 20, 40, Optional.empty()),
        12,
        List.of(
            new ExperimentResult.Row("average+cca", 0.75, 0, 0.625, Double.NaN),
            new ExperimentResult.Row("np-merge+cca", 0.875, 0, 0.5, Double.NaN)),
        List.of(Map.of("average+cca", 0.75)),
        List.of(
            new NpMergeResult.Difference(
                "np-merge+cca", "average+cca", Collections.nCopies(pairs, 0.125), 0.125, half)),
        List.of(
            new NpMergeResult.Curve(
                "np-merge+cca",
                List.of(0L, 2L),
                List.of(0.875, 0.625),
                List.of(0.75, 0.5),
                Collections.nCopies(pairs, run))),
        Map.of(
            "fc1.weight",
            Map.of("np-merge+cca", Collections.nCopies(NpMergeResult.BINS, 3L)),
            "fc1.bias",
            Map.of("np-merge+cca", Collections.nCopies(NpMergeResult.BINS, 1L))),
        Optional.of(
            new NpMergeResult.Samples(
                "cca", List.of(16, 64), Map.of("np-merge-all-steps", List.of(point, point)))),
        new ExperimentResult.Training(2, 0),
        Map.of("merganser", "1.2.3"),
        "cpu",
        "avx2",
        Map.of("np-merge", 1.5));
  }

  @Test
  void theTableHasDifferencesAndSamples() {
    assertThat(TextTable.of(result(2)))
        .isEqualTo(
            """
            method              accuracy      sd     loss
            average+cca           75.00%    0.00    0.625
            np-merge+cca          87.50%    0.00    0.500

            difference                    points  95 % interval
            np-merge+cca - average+cca    +12.50  [+10.94, +14.06]

            samples, loss                     16              64
            np-merge, all steps    81.25%  0.375   81.25%  0.375
            """);
    assertThat(TextTable.of(result(1)))
        .contains(
            """
            difference                    points  95 % interval (none: one pair)
            np-merge+cca - average+cca    +12.50  -
            """);
  }

  @Test
  void jsonHoldsEverythingAsItIs() throws IOException {
    Path path = folder.resolve("results.json");
    ResultsJson.write(result(2), path);
    Map<String, Object> found = Json.read(path);
    assertThat(found)
        .containsEntry("experiment", "np-merge")
        .containsEntry(
            "differences",
            List.of(
                Map.of(
                    "method",
                    "np-merge+cca",
                    "than",
                    "average+cca",
                    "mean",
                    0.125,
                    "low",
                    0.109375,
                    "high",
                    0.140625,
                    "pairs",
                    List.of(0.125, 0.125))));
    Map<String, Object> run =
        Map.of(
            "bestStep", 2L,
            "steps", List.of(0L, 2L),
            "heldOut", List.of(0.875, 0.625),
            "batchLoss", List.of(0.75, 0.5));
    assertThat(found.get("curves"))
        .isEqualTo(
            List.of(
                Map.of(
                    "method", "np-merge+cca",
                    "steps", List.of(0L, 2L),
                    "heldOut", List.of(0.875, 0.625),
                    "batchLoss", List.of(0.75, 0.5),
                    "pairs", List.of(run, run))));
    assertThat(found.get("coefficients"))
        .isEqualTo(
            Map.of(
                "fc1.weight", Map.of("np-merge+cca", Collections.nCopies(20, 3L)),
                "fc1.bias", Map.of("np-merge+cca", Collections.nCopies(20, 1L))));
    Map<?, ?> samples = (Map<?, ?>) found.get("samples");
    assertThat(samples.get("aligner")).isEqualTo("cca");
    assertThat(((List<?>) samples.get("points")).get(1))
        .isEqualTo(
            Map.of(
                "samples",
                64L,
                "method",
                "np-merge-all-steps",
                "accuracy",
                0.8125,
                "accuracySd",
                0.0,
                "loss",
                0.375,
                "pairs",
                List.of(0.8125, 0.8125),
                "losses",
                List.of(0.375, 0.375)));
  }

  @Test
  void thePageStandsAloneAndSaysWhatItShows() throws IOException {
    HtmlReport.write(result(2), folder);
    String page = Files.readString(folder.resolve("report.html"));
    assertThat(page)
        .startsWith("<!DOCTYPE html>")
        .endsWith("</html>\n")
        .doesNotContain("a < b", "<link", "@import", "url(")
        .contains("NP Merge of 2 networks: a &lt; b", "[+10.94, +14.06]", "Student t over 2 pairs")
        .contains("a coefficient for each parameter, learned after alignment (cca)")
        .contains("at most 200 steps of Adam 0.05 with batches of 128")
        .contains("81.25 % (0.375)");
    Matcher picture =
        Pattern.compile("src=\"data:image/png;base64,([A-Za-z0-9+/=]+)\"").matcher(page);
    for (String name :
        List.of(
            "accuracy.png",
            "curve-cca.png",
            "coefficients-fc1.weight.png",
            "samples-accuracy.png",
            "samples-loss.png")) {
      assertThat(picture.find()).as(name).isTrue();
      byte[] png = Base64.getDecoder().decode(picture.group(1));
      BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
      assertThat(image.getWidth()).as(name).isGreaterThan(500);
      assertThat(Files.readAllBytes(folder.resolve(name))).as(name).isEqualTo(png);
    }
    assertThat(picture.find()).isFalse();
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).hasSize(6);
    }
  }

  @Test
  void onePairHasNoInterval() throws IOException {
    HtmlReport.write(result(1), folder);
    assertThat(Files.readString(folder.resolve("report.html")))
        .contains("One pair: there is no interval.")
        .doesNotContain("Student t");
  }
}
