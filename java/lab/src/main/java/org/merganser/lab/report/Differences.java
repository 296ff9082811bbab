// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Locale;
import org.merganser.lab.experiment.ExperimentResult;

/** Differences of rows, as a section of the page, under the table of a terminal, and in JSON. */
record Differences(ExperimentResult result) {
  String html() {
    if (result.differences().isEmpty()) {
      return "";
    }
    StringBuilder html = new StringBuilder();
    html.append("<h2>Differences</h2>\n<p>Of test accuracies, in points, pair by pair");
    html.append(
        isOne()
            ? ". One pair: there is no interval.</p>\n"
            : "; the mean lies in the interval with 95 % confidence (Student t over "
                + result.settings().pairs()
                + " pairs).</p>\n");
    html.append("<table>\n<tr><th>difference</th><th class=\"n\">mean</th>");
    html.append("<th class=\"n\">95 % interval</th></tr>\n");
    for (ExperimentResult.Difference d : result.differences()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s &minus; %s</td><td class=\"n\">%+.2f</td><td class=\"n\">%s</td></tr>%n",
              Html.escape(d.method()),
              Html.escape(d.than()),
              100 * d.mean(),
              Html.escape(interval(d, "–"))));
    }
    return html.append("</table>\n").toString();
  }

  String text() {
    if (result.differences().isEmpty()) {
      return "";
    }
    StringBuilder text = new StringBuilder(String.format("%n"));
    int width = "difference".length();
    for (ExperimentResult.Difference d : result.differences()) {
      width = Math.max(width, (d.method() + " - " + d.than()).length());
    }
    String name = "%-" + width + "s ";
    text.append(
        String.format(
            Locale.ROOT,
            name + "%9s  %s%n",
            "difference",
            "points",
            isOne() ? "95 % interval (none: one pair)" : "95 % interval"));
    for (ExperimentResult.Difference d : result.differences()) {
      text.append(
          String.format(
              Locale.ROOT,
              name + "%+9.2f  %s%n",
              d.method() + " - " + d.than(),
              100 * d.mean(),
              interval(d, "-")));
    }
    return text.toString();
  }

  void write(JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("differences");
    for (ExperimentResult.Difference d : result.differences()) {
      g.writeStartObject();
      g.writeStringField("method", d.method());
      g.writeStringField("than", d.than());
      g.writeNumberField("mean", d.mean());
      if (d.halfWidth().isPresent()) {
        g.writeNumberField("low", d.mean() - d.halfWidth().getAsDouble());
        g.writeNumberField("high", d.mean() + d.halfWidth().getAsDouble());
      }
      ResultsJson.array("pairs", d.pairs(), g);
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private boolean isOne() {
    return result.settings().pairs() == 1;
  }

  private static String interval(ExperimentResult.Difference d, String none) {
    if (d.halfWidth().isEmpty()) {
      return none;
    }
    double half = d.halfWidth().getAsDouble();
    return String.format(
        Locale.ROOT, "[%+.2f, %+.2f]", 100 * (d.mean() - half), 100 * (d.mean() + half));
  }
}
