// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.merganser.internal.io.PartialFile;
import org.merganser.lab.experiment.ExperimentResult;
import org.merganser.lab.experiment.ExperimentSettings;

/** {@code report.html}: one self-contained page, its pictures also beside it. */
public final class HtmlReport {
  private static final Map<String, String> MEANING =
      Map.of(
          "base", "the models themselves, mean",
          "best-base", "the one of them that is best on the samples for choices",
          "ensemble", "mean of their logits: as many models at run time");

  private HtmlReport() {}

  /**
   * Writes {@code report.html} and its pictures, {@code accuracy.png} and others, into a folder.
   */
  public static void write(ExperimentResult result, Path folder) throws IOException {
    ReportContent content = ReportContent.of(result);
    Map<String, Picture> pictures = new LinkedHashMap<>();
    pictures.put(
        "accuracy.png", new Picture(AccuracyChart.png(result), "Test accuracy of each method"));
    pictures.putAll(content.pictures());
    for (Map.Entry<String, Picture> picture : pictures.entrySet()) {
      write(folder.resolve(picture.getKey()), picture.getValue().png());
    }
    String page = page(result, content, pictures);
    write(folder.resolve("report.html"), page.getBytes(StandardCharsets.UTF_8));
  }

  private static void write(Path path, byte[] bytes) throws IOException {
    try (PartialFile file = new PartialFile(path)) {
      file.write(ByteBuffer.wrap(bytes));
      file.commit();
    }
  }

  private static String page(
      ExperimentResult result, ReportContent content, Map<String, Picture> pictures) {
    return """
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
        .bar { background: #2f6f8f; height: .7rem; min-width: 1px; } td.w { width: 40%%; }
        </style>
        </head>
        <body>
        <h1>%2$s</h1>
        <p>%3$s</p>
        %4$s
        <h2>Test accuracy</h2>
        <table>
        <tr><th>method</th><th class="n">accuracy</th><th class="n">sd</th><th class="n">loss</th><th>what it is</th></tr>
        %5$s</table>
        %6$s<h2>Time</h2>
        <table>
        <tr><th>stage</th><th class="n">seconds</th><th class="n">share</th><th></th></tr>
        %7$s</table>
        <p class="dim">%8$s</p>
        <h2>Made with</h2>
        <p class="dim">%9$s</p>
        </body>
        </html>
        """
        .formatted(
            Html.escape(content.title()),
            Html.escape(content.heading()),
            Html.escape(sentence(result, content)),
            Html.image(pictures.get("accuracy.png")),
            rows(result, content),
            content.sections(pictures),
            stages(result),
            result.training().trained()
                + " models trained, "
                + result.training().cached()
                + " read from the cache of an earlier run.",
            Html.escape(
                "backend "
                    + result.backend()
                    + ", ISA "
                    + result.isa()
                    + ", versions "
                    + result.versions()));
  }

  private static String sentence(ExperimentResult result, ReportContent content) {
    ExperimentSettings options = result.settings();
    return String.format(
            Locale.ROOT,
            "%s: %d training and %d test samples. %d model%s from different seeds, %s"
                + " (%d parameters), %d epochs%s. %s Relative gamma of CCA: %s.",
            result.data().name(),
            result.data().train(),
            result.data().test(),
            options.models(),
            options.models() == 1 ? "" : "s",
            options.network(),
            result.parameters(),
            options.epochs(),
            training(options),
            options.pairs() == 1
                ? "One group of models, first seed " + options.seed() + "."
                : "Means over "
                    + options.pairs()
                    + " groups of models, first seed "
                    + options.seed()
                    + ".",
            options.gammas().stream().map(String::valueOf).collect(Collectors.joining(", ")))
        + content.sentence();
  }

  private static String training(ExperimentSettings options) {
    String seen =
        switch (options.split()) {
          case NONE -> "";
          case EIGHTY_TWENTY -> ", each on 20% of half of the classes and 80% of the other half";
          case DIRICHLET -> ", each on a random share of every class";
          case CLASSES -> ", each on classes of its own";
        };
    return seen + (options.augmentation().isNone() ? "" : ", images flipped and cropped at random");
  }

  private static String rows(ExperimentResult result, ReportContent content) {
    StringBuilder html = new StringBuilder();
    for (ExperimentResult.Row row : result.rows()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s</td>%s<td class=\"dim\">%s</td></tr>%n",
              Html.escape(row.method()),
              row.isRefused()
                  ? "<td class=\"n\" colspan=\"3\">refused: stale statistics</td>"
                  : figures(result, row),
              Html.escape(meaning(row.method(), content))));
    }
    return html.toString();
  }

  private static String figures(ExperimentResult result, ExperimentResult.Row row) {
    return String.format(
        Locale.ROOT,
        "<td class=\"n\">%.2f %%</td><td class=\"n\">%s</td><td class=\"n\">%.3f</td>",
        100 * row.accuracy(),
        result.settings().pairs() == 1
            ? "–"
            : String.format(Locale.ROOT, "%.2f", 100 * row.accuracySd()),
        row.loss());
  }

  private static String meaning(String method, ReportContent content) {
    return MEANING.containsKey(method) ? MEANING.get(method) : content.meaning(method);
  }

  private static String stages(ExperimentResult result) {
    StringBuilder html = new StringBuilder();
    double total = result.seconds().values().stream().mapToDouble(Double::doubleValue).sum();
    result
        .seconds()
        .forEach(
            (stage, seconds) ->
                html.append(
                    String.format(
                        Locale.ROOT,
                        "<tr><td>%s</td><td class=\"n\">%.2f</td><td class=\"n\">%.0f %%</td>"
                            + "<td class=\"w\"><div class=\"bar\" style=\"width:%.1f%%\"></div>"
                            + "</td></tr>%n",
                        Html.escape(stage),
                        seconds,
                        100 * seconds / total,
                        100 * seconds / total)));
    return html.toString();
  }
}
