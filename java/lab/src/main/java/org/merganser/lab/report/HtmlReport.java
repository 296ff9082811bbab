// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import org.merganser.io.PartialFile;
import org.merganser.lab.experiment.CcaMergeOptions;
import org.merganser.lab.experiment.CcaMergeResult;
import org.merganser.lab.report.ReportCharts.Picture;

/** {@code report.html}: one self-contained page, its pictures also beside it. */
public final class HtmlReport {
  private static final Map<String, String> MEANING =
      Map.of(
          "base", "the models themselves, mean",
          "best-base", "the best of them",
          "ensemble", "mean of their logits: as many models at run time",
          "identity", "parameters averaged as they are",
          "permutation", "features matched one to one by correlation, then averaged",
          "cca", "features mapped through canonical correlations, then averaged (CCA Merge)",
          "procrustes", "features rotated onto each other, then averaged",
          "procrustes-scaled", "rotated and scaled, then averaged");

  private HtmlReport() {}

  /**
   * Writes {@code report.html} and its pictures, {@code accuracy.png} and others, into a folder.
   */
  public static void write(CcaMergeResult result, Path folder) throws IOException {
    Map<String, Picture> pictures = ReportCharts.all(result);
    for (Map.Entry<String, Picture> picture : pictures.entrySet()) {
      write(folder.resolve(picture.getKey()), picture.getValue().png());
    }
    String page = page(result, pictures);
    write(folder.resolve("report.html"), page.getBytes(StandardCharsets.UTF_8));
  }

  private static void write(Path path, byte[] bytes) throws IOException {
    try (PartialFile file = new PartialFile(path)) {
      file.write(ByteBuffer.wrap(bytes));
      file.commit();
    }
  }

  private static String page(CcaMergeResult result, Map<String, Picture> pictures) {
    CcaMergeOptions options = result.options();
    return """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Merging %1$d networks: %2$s</title>
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
        <h1>Merging %1$d networks into one</h1>
        <p>%3$s</p>
        %4$s
        <h2>Test accuracy</h2>
        <table>
        <tr><th>method</th><th class="n">accuracy</th><th class="n">sd</th><th class="n">loss</th><th>what it is</th></tr>
        %5$s</table>
        %6$s%7$s<h2>Time</h2>
        <table>
        <tr><th>stage</th><th class="n">seconds</th><th class="n">share</th><th></th></tr>
        %8$s</table>
        <p class="dim">%9$s</p>
        <h2>Made with</h2>
        <p class="dim">%10$s</p>
        </body>
        </html>
        """
        .formatted(
            options.models(),
            escape(result.data().name()),
            escape(sentence(result)),
            image(pictures.get("accuracy.png")),
            rows(result),
            paths(result, pictures),
            spectra(pictures),
            stages(result),
            result.training().trained()
                + " models trained, "
                + result.training().cached()
                + " read from the cache of an earlier run.",
            escape(
                "backend "
                    + result.backend()
                    + ", ISA "
                    + result.isa()
                    + ", versions "
                    + result.versions()));
  }

  private static String image(Picture picture) {
    return "<img alt=\""
        + escape(picture.text())
        + "\" src=\"data:image/png;base64,"
        + Base64.getEncoder().encodeToString(picture.png())
        + "\">";
  }

  private static String grid(Map<String, Picture> pictures, String prefix) {
    StringBuilder html = new StringBuilder("<div class=\"pair\">\n");
    for (String name : ReportCharts.names(pictures, prefix)) {
      html.append(image(pictures.get(name))).append('\n');
    }
    return html.append("</div>\n").toString();
  }

  private static String paths(CcaMergeResult result, Map<String, Picture> pictures) {
    if (result.paths().isEmpty()) {
      return "";
    }
    StringBuilder html = new StringBuilder();
    html.append("<h2>Between the models</h2>\n");
    html.append(
        "<p>Models (1-&lambda;) &theta;<sub>0</sub> + &lambda; &theta;<sub>1</sub>, model 1"
            + " aligned to model 0. Maps that do not keep the function have two half-lines: up to"
            + " &lambda; = 0.5 in the features of model 0, beyond in those of model 1. The barrier"
            + " is how far the curve gets on the bad side of the straight line between its ends"
            + " (mean of the barriers of the pairs).</p>\n");
    html.append(grid(pictures, "path-"));
    html.append(
        "<table>\n<tr><th>method</th><th class=\"n\">accuracy barrier</th>"
            + "<th class=\"n\">loss barrier</th></tr>\n");
    for (CcaMergeResult.Path path : result.paths()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s</td><td class=\"n\">%.2f points</td><td class=\"n\">%.3f</td></tr>%n",
              escape(path.method()),
              100 * path.accuracyBarrier(),
              path.lossBarrier()));
    }
    return html.append("</table>\n").toString();
  }

  private static String spectra(Map<String, Picture> pictures) {
    return "<h2>How well features correspond</h2>\n"
        + "<p>Correlation of each feature of the reference with its aligned counterpart, sorted;"
        + " means over models and pairs, rank by rank. Dashed: canonical correlations, of directions that are"
        + " uncorrelated with each other, without regulariser and with gamma; no linear map gives a"
        + " feature more than the first of them.</p>\n"
        + grid(pictures, "spectrum-");
  }

  private static String sentence(CcaMergeResult result) {
    CcaMergeOptions options = result.options();
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
        options.gamma());
  }

  private static String training(CcaMergeOptions options) {
    String seen =
        switch (options.split()) {
          case NONE -> "";
          case EIGHTY_TWENTY -> ", each on 20% of half of the classes and 80% of the other half";
          case DIRICHLET -> ", each on a random share of every class";
          case CLASSES -> ", each on classes of its own";
        };
    return seen + (options.augmentation().isNone() ? "" : ", images flipped and cropped at random");
  }

  private static String rows(CcaMergeResult result) {
    StringBuilder html = new StringBuilder();
    for (CcaMergeResult.Row row : result.rows()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s</td>%s<td class=\"dim\">%s</td></tr>%n",
              escape(row.method()),
              row.isRefused()
                  ? "<td class=\"n\" colspan=\"3\">refused: stale statistics</td>"
                  : figures(result, row),
              escape(meaning(row.method()))));
    }
    return html.toString();
  }

  private static String figures(CcaMergeResult result, CcaMergeResult.Row row) {
    return String.format(
        Locale.ROOT,
        "<td class=\"n\">%.2f %%</td><td class=\"n\">%s</td><td class=\"n\">%.3f</td>",
        100 * row.accuracy(),
        result.options().pairs() == 1
            ? "–"
            : String.format(Locale.ROOT, "%.2f", 100 * row.accuracySd()),
        row.loss());
  }

  /** A repaired row says what was done to the row it is named after. */
  private static String meaning(String method) {
    int plus = method.indexOf('+');
    if (plus < 0) {
      return MEANING.getOrDefault(method, "");
    }
    return switch (method.substring(plus + 1)) {
      case "bn-reset" -> "the same, running statistics of batch normalisation taken anew";
      case "repair" -> "the same, activations given the means and spreads of the aligned models";
      default -> "";
    };
  }

  private static String stages(CcaMergeResult result) {
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
                        escape(stage),
                        seconds,
                        100 * seconds / total,
                        100 * seconds / total)));
    return html.toString();
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
