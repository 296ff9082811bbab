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

/** {@code report.html}: one self-contained page, its picture also beside it. */
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

  /** Writes {@code report.html} and {@code accuracy.png} into a folder. */
  public static void write(CcaMergeResult result, Path folder) throws IOException {
    byte[] png = AccuracyChart.png(result);
    write(folder.resolve("accuracy.png"), png);
    write(folder.resolve("report.html"), page(result, png).getBytes(StandardCharsets.UTF_8));
  }

  private static void write(Path path, byte[] bytes) throws IOException {
    try (PartialFile file = new PartialFile(path)) {
      file.write(ByteBuffer.wrap(bytes));
      file.commit();
    }
  }

  private static String page(CcaMergeResult result, byte[] png) {
    CcaMergeOptions options = result.options();
    return """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Merging %1$d networks: %2$s</title>
        <style>
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
        table { border-collapse: collapse; width: 100%%; }
        th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; }
        td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
        img { max-width: 100%%; } .dim { color: #666; }
        </style>
        </head>
        <body>
        <h1>Merging %1$d networks into one</h1>
        <p>%3$s</p>
        <img alt="Test accuracy of each method" src="data:image/png;base64,%4$s">
        <h2>Test accuracy</h2>
        <table>
        <tr><th>method</th><th class="n">accuracy</th><th class="n">sd</th><th class="n">loss</th><th>what it is</th></tr>
        %5$s</table>
        <h2>Time</h2>
        <table>
        <tr><th>stage</th><th class="n">seconds</th></tr>
        %6$s</table>
        <h2>Made with</h2>
        <p class="dim">%7$s</p>
        </body>
        </html>
        """
        .formatted(
            options.models(),
            escape(result.data().name()),
            escape(sentence(result)),
            Base64.getEncoder().encodeToString(png),
            rows(result),
            stages(result),
            escape(
                "backend "
                    + result.backend()
                    + ", ISA "
                    + result.isa()
                    + ", versions "
                    + result.versions()));
  }

  private static String sentence(CcaMergeResult result) {
    CcaMergeOptions options = result.options();
    return String.format(
        Locale.ROOT,
        "%s: %d training and %d test samples. %d model%s from different seeds, MLPs with %d hidden"
            + " layers of %d (%d parameters), %d epochs. %s Relative gamma of CCA: %s.",
        result.data().name(),
        result.data().train(),
        result.data().test(),
        options.models(),
        options.models() == 1 ? "" : "s",
        options.network().layers(),
        options.network().hidden(),
        result.parameters(),
        options.epochs(),
        options.pairs() == 1
            ? "One group of models, first seed " + options.seed() + "."
            : "Means over "
                + options.pairs()
                + " groups of models, first seed "
                + options.seed()
                + ".",
        options.gamma());
  }

  private static String rows(CcaMergeResult result) {
    StringBuilder html = new StringBuilder();
    for (CcaMergeResult.Row row : result.rows()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s</td><td class=\"n\">%.2f %%</td><td class=\"n\">%s</td>"
                  + "<td class=\"n\">%.3f</td><td class=\"dim\">%s</td></tr>%n",
              escape(row.method()),
              100 * row.accuracy(),
              result.options().pairs() == 1
                  ? "–"
                  : String.format(Locale.ROOT, "%.2f", 100 * row.accuracySd()),
              row.loss(),
              escape(MEANING.getOrDefault(row.method(), ""))));
    }
    return html.toString();
  }

  private static String stages(CcaMergeResult result) {
    StringBuilder html = new StringBuilder();
    result
        .seconds()
        .forEach(
            (stage, seconds) ->
                html.append(
                    String.format(
                        Locale.ROOT,
                        "<tr><td>%s</td><td class=\"n\">%.2f</td></tr>%n",
                        escape(stage),
                        seconds)));
    return html.toString();
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
