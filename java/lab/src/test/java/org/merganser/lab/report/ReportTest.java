// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One section model, written three ways. */
class ReportTest {
  private static final String NAME = "<script>\"a\" & b</script>";

  @TempDir Path folder;

  private static Map<String, Object> row(Object... values) {
    Map<String, Object> row = new LinkedHashMap<>();
    for (int i = 0; i < values.length; i += 2) {
      row.put(values[i].toString(), values[i + 1]);
    }
    return row;
  }

  private static Chart line(String file) {
    return new Chart.Lines(file, "Shows " + NAME, "title", "x", "y")
        .line("a", 0, List.of(0.0, 1.0), List.of(2.0, 3.0))
        .line("b", -1, List.of(0.0, 1.0), List.of(3.0, 2.0))
        .limits(0.0, null);
  }

  private record Row(String method, double loss, Double selection, List<Long> steps) {}

  private static Section<Row> section(Chart... charts) {
    List<Row> rows =
        List.of(new Row("base", 0.5, null, List.of(0L, 2L)), new Row(NAME, 1.25, 0.75, List.of()));
    Section<Row> section =
        new Section<>("rows", "Rows of " + NAME, "About <them>.", rows)
            .text("method", 18, Row::method)
            .number("loss", 8, "%.3f", Row::loss)
            .text("sign", 1, row -> "-")
            .text("what it is", 0, row -> "for pages");
    List.of(charts).forEach(section::chart);
    return section;
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> json(Path path) throws IOException {
    return Json.read(path, Map.class);
  }

  private static Report report(Section<?>... sections) {
    Map<String, Double> seconds = new LinkedHashMap<>();
    seconds.put("train", 1.23456);
    seconds.put("align", 0.5);
    return new Report(
        "Title " + NAME,
        "Text",
        row("experiment", "x", "seed", 7L),
        List.of(sections),
        row("backend", "cpu", "versions", row("merganser", "1.2.3")),
        seconds);
  }

  private String page(Report report) throws IOException {
    report.write(folder);
    return Files.readString(folder.resolve("report.html"));
  }

  @Test
  void twoFieldsOfOneNameAreRefused() {
    Report report = report(section(), Section.data("rows", List.of(1)));
    assertThatThrownBy(report::json)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("'rows'");
  }

  @Test
  void jsonHasTheRowsAsTheyAre() throws IOException {
    Path path = folder.resolve("results.json");
    Section<?> hidden = Section.data("pairs", List.of(row("base", 0.875)));
    report(section(), hidden).write(folder);
    Map<String, Object> found = json(path);
    assertThat(found.keySet())
        .containsExactly("experiment", "seed", "rows", "pairs", "backend", "versions", "seconds");
    assertThat(found)
        .containsEntry("seed", 7L)
        .containsEntry(
            "rows",
            List.of(
                Map.of("method", "base", "loss", 0.5, "steps", List.of(0L, 2L)),
                Map.of("method", NAME, "loss", 1.25, "selection", 0.75, "steps", List.of())))
        .containsEntry("pairs", List.of(Map.of("base", 0.875)))
        .containsEntry("versions", Map.of("merganser", "1.2.3"))
        .containsEntry("seconds", Map.of("train", 1.235, "align", 0.5));
    assertThat(folder).isDirectoryNotContaining("glob:**.partial");
  }

  /** What an interrupted run keeps is what it found. */
  @Test
  void numbersComeBackAsTheyWere() throws IOException {
    Path path = folder.resolve("x.json");
    Map<String, Object> written =
        row(
            "a",
            0.1,
            "b",
            1.0,
            "c",
            1e300,
            "d",
            -0.0,
            "e",
            1L << 60,
            "f",
            true,
            "g",
            "\u00e9\n",
            "h",
            List.of(1.0 / 3, List.of()),
            "i",
            row("j", 5e-324));
    Json.write(written, path);
    assertThat(json(path)).isEqualTo(written);
    Files.writeString(path, "{} {}");
    assertThatThrownBy(() -> json(path)).hasMessageContaining("Trailing token");
    Files.writeString(path, "{\"a\": 1, \"a\": 2}");
    assertThatThrownBy(() -> json(path)).hasMessageContaining("Duplicate field 'a'");
  }

  @Test
  void terminalsHaveTheColumnsForThem() {
    assertThat(report(Section.data("pairs", List.of(row("a", 1.0))), section()).tables())
        .isEqualTo(
            """
            method                       loss  sign
            base                        0.500  -
            %s    1.250  -
            """
                .formatted(NAME));
    assertThat(report(section(), section()).tables()).contains("-\n\nmethod ");
  }

  @Test
  void thePageStandsAlone() throws IOException {
    Chart bars =
        Chart.bars(
            "accuracy",
            "Accuracy",
            "accuracy (%)",
            List.of("a", "b"),
            List.of(50.0, 75.0),
            List.of(1.0, 2.0));
    Section<?> more = new Section<>("more", "More", "", List.of());
    List.of(line("same/name"), line("same:name"), line("layer1.0")).forEach(more::chart);
    String page = page(report(section(bars), more));
    assertThat(page).startsWith("<!DOCTYPE html>").endsWith("</html>\n");
    assertThat(page).doesNotContainPattern("(src|href)\\s*=\\s*[\"']?(https?:|//|file:)");
    assertThat(page).doesNotContain("<link", "@import", "url(");
    Matcher picture =
        Pattern.compile("src=\"data:image/png;base64,([A-Za-z0-9+/=]+)\"").matcher(page);
    // Each picture is in the page, and the same beside it; names that become the same stay apart.
    for (String name :
        List.of("accuracy.png", "same_name.png", "same_name-2.png", "layer1.0.png")) {
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
    String page = page(report(section(line("x")), Section.data("pairs", List.of(row("a", 1.0)))));
    assertThat(page).doesNotContain("<script>").contains("&lt;script&gt;&quot;a&quot; &amp; b");
    assertThat(page)
        .contains("<td>base</td><td class=\"n\">0.500</td><td>-</td><td>for pages</td>")
        .contains("<p>About &lt;them&gt;.</p>", "<th class=\"n\">loss</th>")
        // 1.23456 of 1.73456 seconds.
        .contains("<td>train</td><td class=\"n\">1.23</td><td class=\"n\">71%</td>")
        .contains("backend=cpu, versions={merganser=1.2.3}")
        .doesNotContain("pairs");
  }

  /** What was drawn elsewhere is in the page, and beside it, as it is. */
  @Test
  void picturesOfShapes() throws IOException {
    String svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>\u03c1</title></svg>";
    String page = page(report(section(Chart.svg("map", "A map", svg))));
    String encoded = Base64.getEncoder().encodeToString(svg.getBytes(StandardCharsets.UTF_8));
    assertThat(page).contains("<img alt=\"A map\" src=\"data:image/svg+xml;base64," + encoded);
    assertThat(Files.readString(folder.resolve("map.svg"))).isEqualTo(svg);
  }

  /** Bars and their heights: a picture that does not depend on the numbers is of no use. */
  @Test
  void thePictureDependsOnTheNumbers() throws IOException {
    double before = 0;
    for (double height : new double[] {20, 50, 90}) {
      Chart bars =
          Chart.bars(
              "accuracy",
              "Accuracy",
              "accuracy (%)",
              List.of("a", "b"),
              List.of(height, height),
              List.of());
      BufferedImage image = ImageIO.read(new ByteArrayInputStream(bars.bytes()));
      int dark = 0;
      for (int x = 0; x < image.getWidth(); x++) {
        for (int y = 0; y < image.getHeight(); y++) {
          dark += (image.getRGB(x, y) & 0xffffff) == 0x2f6f8f ? 1 : 0;
        }
      }
      double share = (double) dark / (image.getWidth() * image.getHeight());
      assertThat(share).isBetween(before + 0.05, 0.8);
      before = share;
    }
  }
}
