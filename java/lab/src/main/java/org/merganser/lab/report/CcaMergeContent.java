// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.lab.experiment.BatchNormTreatment;
import org.merganser.lab.experiment.CcaMergeResult;

/** Reports of the experiment of CCA Merge. */
final class CcaMergeContent implements ReportContent {
  private static final Map<String, String> MEANING =
      Map.of(
          "identity", "parameters averaged as they are",
          "permutation", "features matched one to one by correlation, then averaged",
          "cca", "features mapped through canonical correlations, then averaged (CCA Merge)",
          "procrustes", "features rotated onto each other, then averaged",
          "procrustes-scaled", "rotated and scaled, then averaged");

  private final CcaMergeResult result;

  CcaMergeContent(CcaMergeResult result) {
    this.result = result;
  }

  @Override
  public String title() {
    return "Merging " + result.settings().models() + " networks: " + result.data().name();
  }

  @Override
  public String heading() {
    return "Merging " + result.settings().models() + " networks into one";
  }

  @Override
  public String sentence() {
    return result.gammas().isEmpty()
        ? ""
        : " Each pair took the gamma that was best on "
            + (result.data().validation() > 0
                ? result.data().validation() + " samples that no model was trained on."
                : "the training samples.");
  }

  /** A repaired row says what was done to the row it is named after. */
  @Override
  public String meaning(String method) {
    int plus = method.indexOf('+');
    if (plus < 0) {
      return MEANING.getOrDefault(method, "");
    }
    return switch (method.substring(plus + 1)) {
      case "bn-reset" -> "the same, running statistics of batch normalisation taken anew";
      case "mapped" -> "scales and shifts of batch normalisation mapped like weights, then reset";
      case "reference" -> "with the reference's scales and shifts, then reset";
      case "fold" ->
          "merged without batch normalisation, put back with the reference's scales and shifts,"
              + " then reset";
      case "repair" -> "the same, activations given the means and spreads of the aligned models";
      default -> "";
    };
  }

  @Override
  public Map<String, Picture> pictures() throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>(ReportCharts.paths(result));
    pictures.putAll(ReportCharts.spectra(result));
    return pictures;
  }

  @Override
  public String sections(Map<String, Picture> pictures) {
    return new Differences(result).html() + paths(pictures) + spectra(pictures);
  }

  private String paths(Map<String, Picture> pictures) {
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
    html.append(Html.grid(pictures, "path-"));
    html.append(
        "<table>\n<tr><th>method</th><th class=\"n\">accuracy barrier</th>"
            + "<th class=\"n\">loss barrier</th></tr>\n");
    for (CcaMergeResult.Path path : result.paths()) {
      html.append(
          String.format(
              Locale.ROOT,
              "<tr><td>%s</td><td class=\"n\">%.2f points</td><td class=\"n\">%.3f</td></tr>%n",
              Html.escape(path.method()),
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
        + Html.grid(pictures, "spectrum-");
  }

  @Override
  public String text() {
    return new Differences(result).text();
  }

  @Override
  public void writeSettings(JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("batchNorm");
    for (BatchNormTreatment treatment : result.options().treatments()) {
      g.writeString(treatment.id());
    }
    g.writeEndArray();
  }

  @Override
  public void writeResults(JsonGenerator g) throws IOException {
    new Differences(result).write(g);
    gammas(g);
    paths(g);
    spectra(g);
  }

  private void gammas(JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("gammas");
    for (Map<String, Double> pair : result.gammas()) {
      g.writeStartObject();
      for (Map.Entry<String, Double> row : pair.entrySet()) {
        g.writeNumberField(row.getKey(), row.getValue());
      }
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private void paths(JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("paths");
    for (CcaMergeResult.Path path : result.paths()) {
      g.writeStartObject();
      g.writeStringField("method", path.method());
      ResultsJson.array("lambdas", path.lambdas(), g);
      ResultsJson.array("accuracies", path.accuracies(), g);
      ResultsJson.array("losses", path.losses(), g);
      g.writeNumberField("accuracyBarrier", path.accuracyBarrier());
      g.writeNumberField("lossBarrier", path.lossBarrier());
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private void spectra(JsonGenerator g) throws IOException {
    g.writeObjectFieldStart("spectra");
    for (Map.Entry<String, CcaMergeResult.Spectra> space : result.spectra().entrySet()) {
      g.writeObjectFieldStart(space.getKey());
      ResultsJson.array("canonical", space.getValue().canonical(), g);
      ResultsJson.array("regularised", space.getValue().regularised(), g);
      g.writeObjectFieldStart("matched");
      for (Map.Entry<String, List<Double>> item : space.getValue().matched().entrySet()) {
        ResultsJson.array(item.getKey(), item.getValue(), g);
      }
      g.writeEndObject();
      g.writeEndObject();
    }
    g.writeEndObject();
  }
}
