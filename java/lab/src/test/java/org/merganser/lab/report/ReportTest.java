// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.Json;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.lab.data.Split;
import org.merganser.lab.experiment.CcaMergeOptions;
import org.merganser.lab.experiment.CcaMergeResult;
import org.merganser.torch.Augmentation;

class ReportTest {
  private static final String NAME = "<script>\"a\" & b</script>";

  @TempDir Path folder;

  private static CcaMergeResult result(int pairs, Optional<PixelScale> pixels) {
    List<CcaMergeResult.Row> rows =
        List.of(
            new CcaMergeResult.Row("base", 0.875, pairs == 1 ? 0 : 0.0125, 0.5, Double.NaN),
            new CcaMergeResult.Row("cca", 0.75, pairs == 1 ? 0 : 0.025, 0.625, 0.8125));
    Map<String, Double> seconds = new LinkedHashMap<>();
    seconds.put("train", 1.23456);
    seconds.put("align", 0.5);
    return new CcaMergeResult(
        CcaMergeOptions.builder("blobs")
            .hidden(16)
            .pairs(pairs)
            .seed(7)
            .epochs(3)
            .train(100)
            .gamma(0.5)
            .keep(Path.of("kept"))
            .build(),
        new CcaMergeResult.Data(NAME, 100, 20, 40, pixels),
        1234,
        rows,
        List.of(Map.of("base", 0.875)),
        List.of(
            new CcaMergeResult.Difference(
                "cca",
                "base",
                List.of(-0.125),
                -0.125,
                pairs == 1 ? OptionalDouble.empty() : OptionalDouble.of(0.0625))),
        List.of(Map.of("cca", 0.5)),
        List.of(
            new CcaMergeResult.Path(
                "cca",
                List.of(0.0, 0.5, 1.0),
                List.of(0.875, 0.75, 0.9),
                List.of(0.5, 0.625, 0.4),
                0.1375,
                0.175)),
        Map.of(
            "fc<1>",
            new CcaMergeResult.Spectra(
                List.of(0.9, 0.5), List.of(0.8, 0.25), Map.of("cca", List.of(0.75, 0.5)))),
        new CcaMergeResult.Training(3, 1),
        Map.of("merganser", "1.2.3"),
        "cpu",
        "avx2",
        seconds);
  }

  private String page(CcaMergeResult result) throws IOException {
    HtmlReport.write(result, folder);
    return Files.readString(folder.resolve("report.html"));
  }

  @Test
  void jsonHoldsEverythingAsItIs() throws IOException {
    Path path = folder.resolve("results.json");
    ResultsJson.write(result(2, Optional.of(PixelScale.of(0.25, 0.375))), path);

    Map<String, Object> found = Json.read(path);

    assertThat(found.keySet())
        .containsExactly(
            "experiment",
            "seed",
            "seeds",
            "models",
            "epochs",
            "training",
            "gamma",
            "split",
            "augmentation",
            "data",
            "model",
            "batchNorm",
            "rows",
            "pairs",
            "differences",
            "gammas",
            "paths",
            "spectra",
            "backend",
            "isa",
            "versions",
            "seconds");
    assertThat(found)
        .containsEntry("experiment", "cca-merge")
        .containsEntry("seed", 7L)
        .containsEntry("seeds", 2L)
        .containsEntry("models", 2L)
        .containsEntry("epochs", 3L)
        .containsEntry("gamma", 0.5)
        .containsEntry(
            "data",
            Map.of(
                "name",
                NAME,
                "train",
                100L,
                "validation",
                20L,
                "test",
                40L,
                "mean",
                0.25,
                "sd",
                0.375))
        .containsEntry("batchNorm", List.of("spread", "fold"))
        .containsEntry("gammas", List.of(Map.of("cca", 0.5)))
        .containsEntry(
            "differences",
            List.of(
                Map.of(
                    "method",
                    "cca",
                    "than",
                    "base",
                    "mean",
                    -0.125,
                    "low",
                    -0.1875,
                    "high",
                    -0.0625,
                    "pairs",
                    List.of(-0.125))))
        .containsEntry(
            "model", Map.of("kind", "mlp", "hidden", 16L, "layers", 2L, "parameters", 1234L))
        .containsEntry(
            "rows",
            List.of(
                Map.of("method", "base", "accuracy", 0.875, "accuracySd", 0.0125, "loss", 0.5),
                Map.of(
                    "method",
                    "cca",
                    "accuracy",
                    0.75,
                    "accuracySd",
                    0.025,
                    "loss",
                    0.625,
                    "selection",
                    0.8125)))
        .containsEntry("pairs", List.of(Map.of("base", 0.875)))
        .containsEntry("split", "none")
        .containsEntry("augmentation", Map.of("flip", false, "padding", 0L))
        .containsEntry(
            "paths",
            List.of(
                Map.of(
                    "method",
                    "cca",
                    "lambdas",
                    List.of(0.0, 0.5, 1.0),
                    "accuracies",
                    List.of(0.875, 0.75, 0.9),
                    "losses",
                    List.of(0.5, 0.625, 0.4),
                    "accuracyBarrier",
                    0.1375,
                    "lossBarrier",
                    0.175)))
        .containsEntry(
            "spectra",
            Map.of(
                "fc<1>",
                Map.of(
                    "canonical", List.of(0.9, 0.5),
                    "regularised", List.of(0.8, 0.25),
                    "matched", Map.of("cca", List.of(0.75, 0.5)))))
        .containsEntry("backend", "cpu")
        .containsEntry("isa", "avx2")
        .containsEntry("versions", Map.of("merganser", "1.2.3"))
        .containsEntry("seconds", Map.of("train", 1.235, "align", 0.5));
    assertThat(folder).isDirectoryNotContaining("glob:**.partial");
  }

  @Test
  void jsonOfOtherDataHasNoPixelScale() throws IOException {
    Path path = folder.resolve("results.json");
    ResultsJson.write(result(1, Optional.empty()), path);
    assertThat(Json.read(path))
        .containsEntry("data", Map.of("name", NAME, "train", 100L, "validation", 20L, "test", 40L));
  }

  @Test
  void jsonHoldsTheScaleOfEachChannel() throws IOException {
    Path path = folder.resolve("results.json");
    PixelScale scale = new PixelScale(List.of(0.25, 0.5, 0.75), List.of(0.125, 1.0, 2.0));
    ResultsJson.write(result(1, Optional.of(scale)), path);
    assertThat((Map<?, ?>) Json.read(path).get("data"))
        .isEqualTo(
            Map.of(
                "name",
                NAME,
                "train",
                100L,
                "validation",
                20L,
                "test",
                40L,
                "mean",
                List.of(0.25, 0.5, 0.75),
                "sd",
                List.of(0.125, 1.0, 2.0)));
  }

  @Test
  void thePageStandsAlone() throws IOException {
    String page = page(result(2, Optional.empty()));

    assertThat(page).startsWith("<!DOCTYPE html>").endsWith("</html>\n");
    assertThat(page).doesNotContainPattern("(src|href)\\s*=\\s*[\"']?(https?:|//|file:)");
    assertThat(page).doesNotContain("<link", "@import", "url(");
    Matcher picture =
        Pattern.compile("src=\"data:image/png;base64,([A-Za-z0-9+/=]+)\"").matcher(page);
    // Each picture is in the page, and the same beside it.
    for (String name :
        List.of("accuracy.png", "path-accuracy.png", "path-loss.png", "spectrum-fc_1_.png")) {
      assertThat(picture.find()).as(name).isTrue();
      byte[] png = Base64.getDecoder().decode(picture.group(1));
      BufferedImage image = ImageIO.read(new ByteArrayInputStream(png));
      assertThat(image.getWidth()).as(name).isGreaterThan(500);
      assertThat(Files.readAllBytes(folder.resolve(name))).as(name).isEqualTo(png);
    }
    assertThat(picture.find()).isFalse();
    assertThat(folder).isDirectoryNotContaining("glob:**.partial");
  }

  @Test
  void thePageShowsTheNumbersAndEscapesNames() throws IOException {
    String page = page(result(2, Optional.empty()));

    assertThat(page).doesNotContain("<script>").contains("&lt;script&gt;&quot;a&quot; &amp; b");
    assertThat(page).contains("Sorted correlations of features in space fc&lt;1&gt;");
    assertThat(page).contains("13.75 points", "<td class=\"n\">0.175</td>");
    assertThat(page).contains("3 models trained, 1 read from the cache");
    // 1.23456 of 1.73456 seconds.
    assertThat(page).contains("<td class=\"n\">1.23</td><td class=\"n\">71 %</td>");
    assertThat(page).contains("<td>base</td>", "<td>cca</td>", "87.50 %", "2.50", "0.625");
    assertThat(page)
        .contains("100 training and 40 test samples", "1234 parameters", "first seed 7");
    assertThat(page)
        .contains(
            "Each pair took the gamma that was best on 20 samples that no model was trained on")
        .contains("cca &minus; base</td><td class=\"n\">-12.50</td>", "[-18.75, -6.25]");
    assertThat(page)
        .contains("backend cpu, ISA avx2", "merganser=1.2.3", "Relative gamma of CCA: 0.5");
  }

  @Test
  void thePageSaysWhatTheModelsSaw() throws IOException {
    assertThat(page(result(1, Optional.empty()))).contains("3 epochs. One group");
    CcaMergeResult plain = result(1, Optional.empty());
    CcaMergeOptions options =
        CcaMergeOptions.builder("blobs")
            .split(Split.CLASSES)
            .augmentation(Augmentation.flipAndCrop())
            .points(0)
            .build();
    CcaMergeResult other =
        new CcaMergeResult(
            options,
            plain.data(),
            plain.parameters(),
            plain.rows(),
            plain.pairs(),
            List.of(),
            List.of(),
            List.of(),
            plain.spectra(),
            plain.training(),
            plain.versions(),
            plain.backend(),
            plain.isa(),
            plain.seconds());
    assertThat(page(other))
        .contains("40 epochs, each on classes of its own, images flipped and cropped at random.")
        .doesNotContain("Between the models");
  }

  /** Names that become the same file name stay apart. */
  @Test
  void everySpaceHasItsPicture() throws IOException {
    CcaMergeResult.Spectra spectra = result(1, Optional.empty()).spectra().get("fc<1>");
    Map<String, CcaMergeResult.Spectra> spaces = new LinkedHashMap<>();
    for (String name : List.of("a/b", "a:b", "a b", "layer1.0")) {
      spaces.put(name, spectra);
    }
    CcaMergeResult plain = result(1, Optional.empty());
    CcaMergeResult many =
        new CcaMergeResult(
            plain.options(),
            plain.data(),
            plain.parameters(),
            plain.rows(),
            plain.pairs(),
            plain.differences(),
            plain.gammas(),
            plain.paths(),
            spaces,
            plain.training(),
            plain.versions(),
            plain.backend(),
            plain.isa(),
            plain.seconds());
    assertThat(ReportCharts.spectra(many).keySet())
        .containsExactly(
            "spectrum-a_b.png",
            "spectrum-a_b-2.png",
            "spectrum-a_b-3.png",
            "spectrum-layer1.0.png");
  }

  @Test
  void onePairHasNoDeviation() throws IOException {
    assertThat(page(result(1, Optional.empty()))).contains("<td class=\"n\">–</td>");
    assertThat(TextTable.of(result(1, Optional.empty())))
        .isEqualTo(
            """
            method              accuracy      sd     loss
            base                  87.50%       -    0.500
            cca                   75.00%       -    0.625

            difference    points  95 % interval (none: one pair)
            cca - base    -12.50  -
            """);
  }

  @Test
  void theTableShowsPercentAndDeviation() {
    assertThat(TextTable.of(result(2, Optional.empty())))
        .isEqualTo(
            """
            method              accuracy      sd     loss
            base                  87.50%    1.25    0.500
            cca                   75.00%    2.50    0.625

            difference    points  95 % interval
            cca - base    -12.50  [-18.75, -6.25]
            """);
  }

  /** Bars and their heights: a picture that does not depend on the numbers is of no use. */
  @Test
  void thePictureDependsOnTheNumbers() throws IOException {
    byte[] two = AccuracyChart.png(result(2, Optional.empty()));
    byte[] one = AccuracyChart.png(result(1, Optional.empty()));
    assertThat(two).isNotEqualTo(one);
    BufferedImage image = ImageIO.read(new ByteArrayInputStream(two));
    int dark = 0;
    for (int x = 0; x < image.getWidth(); x++) {
      for (int y = 0; y < image.getHeight(); y++) {
        dark += (image.getRGB(x, y) & 0xffffff) == 0x2f6f8f ? 1 : 0;
      }
    }
    double share = (double) dark / (image.getWidth() * image.getHeight());
    assertThat(share).isBetween(0.2, 0.8);
  }

  @Test
  void aRowIsFoundByItsMethod() {
    CcaMergeResult result = result(2, Optional.empty());
    assertThat(result.row("cca").accuracy()).isEqualTo(0.75);
    assertThatThrownBy(() -> result.row("ties"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no row 'ties'");
  }
}
