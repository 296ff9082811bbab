// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.merganser.internal.io.PartialFile;
import org.merganser.lab.report.Section.Column;

/** {@code report.html}: one self-contained page, its pictures also beside it. */
public final class HtmlReport {
  private static final String HEAD =
      """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>%1$s</title>
      <style>
      body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
      h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
      table { border-collapse: collapse; width: 100%%; }
      th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; }
      td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
      img { max-width: 100%%; height: auto; } .dim { color: #666; }
      .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%%), 1fr)); gap: 1rem; }
      </style>
      </head>
      <body>
      <h1>%1$s</h1>
      <p>%2$s</p>
      """;

  private final StringBuilder page = new StringBuilder();
  private final Set<String> pictures = new HashSet<>();
  private final Path folder;

  private HtmlReport(Path folder) {
    this.folder = folder;
  }

  /** Writes {@code report.html} and its pictures into a folder. */
  public static void write(Report report, Path folder) throws IOException {
    HtmlReport html = new HtmlReport(folder);
    html.page.append(HEAD.formatted(escape(report.title()), escape(report.text())));
    List<Section> sections = new ArrayList<>(report.sections());
    sections.add(time(report.seconds()));
    for (Section section : sections) {
      html.section(section);
    }
    html.list("Settings", report.facts().getOrDefault("settings", Map.of()));
    html.list("Made with", report.made());
    html.page.append("</body>\n</html>\n");
    html.write("report.html", html.page.toString().getBytes(StandardCharsets.UTF_8));
  }

  private void list(String title, Object values) {
    page.append("<h2>").append(title).append("</h2>\n<p class=\"dim\">");
    page.append(escape(values.toString().replaceAll("^\\{|}$", ""))).append("</p>\n");
  }

  private static Section time(Map<String, Double> seconds) {
    double total = seconds.values().stream().mapToDouble(Double::doubleValue).sum();
    List<Map<String, Object>> rows =
        seconds.entrySet().stream()
            .map(e -> Map.<String, Object>of("stage", e.getKey(), "seconds", e.getValue()))
            .toList();
    return new Section("", "Time", "", rows, List.of(), List.of())
        .with(
            Column.text("stage", 0, row -> row.get("stage").toString()),
            Column.number("seconds", 0, row -> format("%.2f", (double) row.get("seconds"))),
            Column.number(
                "share", 0, row -> format("%.0f%%", 100 * (double) row.get("seconds") / total)));
  }

  private static String format(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private void section(Section section) throws IOException {
    if (section.title().isEmpty()) {
      return;
    }
    page.append("<h2>").append(escape(section.title())).append("</h2>\n");
    if (!section.text().isEmpty()) {
      page.append("<p>").append(escape(section.text())).append("</p>\n");
    }
    if (!section.charts().isEmpty()) {
      page.append(section.charts().size() > 1 ? "<div class=\"pair\">\n" : "<div>\n");
      for (Chart chart : section.charts()) {
        picture(chart);
      }
      page.append("</div>\n");
    }
    if (!section.columns().isEmpty()) {
      table(section);
    }
  }

  private void table(Section section) {
    page.append("<table>\n<tr>");
    for (Column column : section.columns()) {
      cell("th", column, column.heading());
    }
    page.append("</tr>\n");
    for (Map<String, Object> row : section.rows()) {
      page.append("<tr>");
      section.columns().forEach(column -> cell("td", column, column.text().apply(row)));
      page.append("</tr>\n");
    }
    page.append("</table>\n");
  }

  private void cell(String tag, Column column, String text) {
    page.append('<').append(tag).append(column.number() ? " class=\"n\">" : ">");
    page.append(escape(text)).append("</").append(tag).append('>');
  }

  /** The picture itself, not a link to it. */
  private void picture(Chart chart) throws IOException {
    byte[] png = ChartImage.png(chart);
    write(fileName(chart.file), png);
    page.append("<img alt=\"").append(escape(chart.text));
    page.append("\" src=\"data:image/png;base64,");
    page.append(Base64.getEncoder().encodeToString(png)).append("\">\n");
  }

  /** Names that become the same name of a file stay apart. */
  private String fileName(String name) {
    String safe = name.replaceAll("[^A-Za-z0-9._-]", "_");
    String file = safe + ".png";
    for (int i = 2; !pictures.add(file); i++) {
      file = safe + "-" + i + ".png";
    }
    return file;
  }

  private void write(String name, byte[] bytes) throws IOException {
    try (PartialFile file = new PartialFile(folder.resolve(name))) {
      file.write(ByteBuffer.wrap(bytes));
      file.commit();
    }
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
