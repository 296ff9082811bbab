// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.samskivert.mustache.Escapers;
import com.samskivert.mustache.Mustache;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.io.TextFile;

/** {@code report.html}: one self-contained page, its pictures also beside it. */
final class HtmlReport {
  private static final Mustache.Compiler COMPILER =
      Mustache.compiler()
          .emptyStringIsFalse(true)
          .withEscaper(
              Escapers.simple(
                  new String[][] {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}}));

  private final Set<String> pictures = new HashSet<>();
  private final Path folder;

  private HtmlReport(Path folder) {
    this.folder = folder;
  }

  // What the template shows.

  private record Page(
      String title, String text, List<Part> sections, String settings, String made) {}

  private record Part(
      String title,
      String text,
      List<Picture> moving,
      boolean several,
      List<Picture> pictures,
      List<Line> table) {}

  /** An image, or what stands in the page as it is. */
  private record Picture(String text, String type, String bytes, String html) {}

  private record Line(List<Cell> cells) {}

  private record Cell(String tag, boolean number, String text) {}

  /** Writes {@code report.html} and its pictures into a folder. */
  static void write(Report report, Path folder) throws IOException {
    HtmlReport html = new HtmlReport(folder);
    List<Section<?>> sections = new ArrayList<>(report.sections());
    sections.add(time(report.seconds()));
    List<Part> parts = new ArrayList<>();
    for (Section<?> section : sections) {
      if (!section.title().isEmpty()) {
        parts.add(html.part(section));
      }
    }
    String settings = list(report.facts().getOrDefault("settings", Map.of()));
    Page page = new Page(report.title(), report.text(), parts, settings, list(report.made()));
    try (InputStream template = HtmlReport.class.getResourceAsStream("report.mustache")) {
      String text = new String(template.readAllBytes(), StandardCharsets.UTF_8);
      TextFile.write(folder.resolve("report.html"), COMPILER.compile(text).execute(page));
    }
  }

  private static String list(Object values) {
    return values.toString().replaceAll("^\\{|}$", "");
  }

  private static Section<?> time(Map<String, Double> seconds) {
    double total = seconds.values().stream().mapToDouble(Double::doubleValue).sum();
    return new Section<>("", "Time", "", List.copyOf(seconds.entrySet()))
        .text("stage", 0, Map.Entry::getKey)
        .number("seconds", 0, "%.2f", Map.Entry::getValue)
        .number("share", 0, "%.0f%%", stage -> 100 * stage.getValue() / total);
  }

  private Part part(Section<?> section) throws IOException {
    List<Picture> drawn = new ArrayList<>();
    List<Picture> moving = new ArrayList<>();
    for (Chart chart : section.charts()) {
      (chart.form() == Chart.Form.HTML ? moving : drawn).add(picture(chart));
    }
    List<Line> table = new ArrayList<>();
    for (int row = -1; row < section.rows().size() && !section.columns().isEmpty(); row++) {
      List<Cell> cells = new ArrayList<>();
      for (Section.Column column : section.columns()) {
        cells.add(new Cell(row < 0 ? "th" : "td", column.number(), column.cell(row)));
      }
      table.add(new Line(cells));
    }
    return new Part(section.title(), section.about(), moving, drawn.size() > 1, drawn, table);
  }

  /** The picture itself, not a link to it. */
  private Picture picture(Chart chart) throws IOException {
    byte[] bytes = chart.bytes();
    String name = fileName(chart.file(), chart.form().ending());
    try (PartialFile file = new PartialFile(folder.resolve(name))) {
      file.write(ByteBuffer.wrap(bytes));
      file.commit();
    }
    boolean html = chart.form() == Chart.Form.HTML;
    return new Picture(
        chart.text(),
        chart.form().type(),
        html ? "" : Base64.getEncoder().encodeToString(bytes),
        html ? new String(bytes, StandardCharsets.UTF_8) : "");
  }

  /** Names that become the same name of a file stay apart. */
  private String fileName(String name, String ending) {
    String safe = name.replaceAll("[^A-Za-z0-9._-]", "_");
    String file = safe + ending;
    for (int i = 2; !pictures.add(file); i++) {
      file = safe + "-" + i + ending;
    }
    return file;
  }
}
