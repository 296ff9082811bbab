// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.lab.experiment.NpMergeOptions;
import org.merganser.lab.experiment.NpMergeResult;
import org.merganser.model.EarlyStopping.HeldOut;

/** Reports of the experiment of NP Merge. */
final class NpMergeContent implements ReportContent {
  private static final Map<String, String> BEGINNING =
      Map.of(
          "average", "averaged after alignment",
          "np-merge", "a coefficient for each parameter, learned after alignment",
          "np-merge-joint", "coefficients of all models learned at once",
          "finetuned-average", "the average trained on, as many steps and batches as NP Merge");

  private final NpMergeResult result;

  NpMergeContent(NpMergeResult result) {
    this.result = result;
  }

  @Override
  public String title() {
    return "NP Merge of " + result.settings().models() + " networks: " + result.data().name();
  }

  @Override
  public String heading() {
    return "Merging " + result.settings().models() + " networks parameter by parameter";
  }

  @Override
  public String sentence() {
    NpMergeOptions options = result.options();
    return String.format(
        Locale.ROOT,
        " NP Merge: %s, a coefficient for each %s, at most %d steps of Adam %s with batches of %d of"
            + " the %d samples drawn for it; %s. Fine-tuning: Adam %s, the same steps, batches and"
            + " stopping.",
        lower(options.np().form()),
        lower(options.np().granularity()),
        options.np().steps(),
        options.np().optimizer().learningRate(),
        options.batch(),
        options.npTrain().orElse(result.data().train()),
        options.heldOut() > 0
            ? String.format(
                Locale.ROOT,
                "%s of them held out, evaluated every %d steps, the best kept, the end after"
                    + " %d evaluations without improvement",
                options.heldOut(),
                options.np().evalEvery(),
                options.np().patience())
            : "none held out, the last step kept",
        options.fineTuning().optimizer().learningRate());
  }

  private static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String meaning(String method) {
    int plus = method.indexOf('+');
    String begins = BEGINNING.getOrDefault(plus < 0 ? method : method.substring(0, plus), "");
    String aligner = plus < 0 ? result.options().fineTuned() : method.substring(plus + 1);
    return begins.isEmpty() ? "" : begins + " (" + aligner + ")";
  }

  @Override
  public Map<String, Picture> pictures() throws IOException {
    return NpMergeCharts.all(result);
  }

  @Override
  public String sections(Map<String, Picture> pictures) {
    StringBuilder html = new StringBuilder();
    html.append(new Differences(result).html());
    html.append("<h2>Learning</h2>\n<p>Held-out loss (solid), mean over pairs; a pair");
    html.append(" that has stopped counts with the loss it keeps. Dashed: loss of the batches");
    html.append(
        " between two evaluations, mean over the pairs still learning. Held-out samples are not seen by the steps,");
    html.append(" but the models were trained on the training samples they are drawn from.</p>\n");
    html.append(Html.grid(pictures, "curve-"));
    html.append("<h2>Learned coefficients</h2>\n<p>Coefficient of the first model");
    html.append(result.settings().models() > 2 ? " (of what was merged before the last)" : "");
    html.append(" in the parameters of each weight tensor, all pairs together; 0.5 is where all");
    html.append(" begin. results.json has the other tensors too.</p>\n");
    html.append(Html.grid(pictures, "coefficients-"));
    result.samples().ifPresent(samples -> html.append(samples(samples, pictures)));
    return html.toString();
  }

  private static String samples(NpMergeResult.Samples samples, Map<String, Picture> pictures) {
    StringBuilder html = new StringBuilder();
    html.append("<h2>From fewer samples</h2>\n<p>Aligned by ");
    html.append(Html.escape(samples.aligner()));
    html.append(" (with the statistics of the whole run), then learned from this many samples.");
    html.append(
        " Without stopping all of them are learned from and the last step is kept. Accuracy and, in");
    html.append(" brackets, loss on test data.</p>\n");
    html.append(Html.grid(pictures, "samples-"));
    html.append("<table>\n<tr><th>samples</th>");
    samples.counts().forEach(n -> html.append("<th class=\"n\">").append(n).append("</th>"));
    html.append("</tr>\n");
    samples
        .points()
        .forEach(
            (method, points) -> {
              html.append("<tr><td>").append(NpMergeCharts.name(method)).append("</td>");
              points.forEach(
                  p ->
                      html.append(
                          String.format(
                              Locale.ROOT,
                              "<td class=\"n\">%.2f %% (%.3f)</td>",
                              100 * p.accuracy(),
                              p.loss())));
              html.append("</tr>\n");
            });
    return html.append("</table>\n").toString();
  }

  @Override
  public String text() {
    return new Differences(result).text() + result.samples().map(NpMergeContent::table).orElse("");
  }

  private static String table(NpMergeResult.Samples samples) {
    StringBuilder text = new StringBuilder(String.format("%n%-20s", "samples, loss"));
    samples.counts().forEach(n -> text.append(String.format(Locale.ROOT, " %15d", n)));
    samples
        .points()
        .forEach(
            (method, points) -> {
              text.append(String.format("%n%-20s", NpMergeCharts.name(method)));
              points.forEach(
                  p ->
                      text.append(
                          String.format(
                              Locale.ROOT, " %7.2f%%%7.3f", 100 * p.accuracy(), p.loss())));
            });
    return text.append(String.format("%n")).toString();
  }

  @Override
  public void writeSettings(JsonGenerator g) throws IOException {
    NpMergeOptions options = result.options();
    g.writeObjectFieldStart("npMerge");
    g.writeStringField("form", lower(options.np().form()));
    g.writeStringField("granularity", lower(options.np().granularity()));
    g.writeStringField("optimizer", options.np().optimizer().toString());
    g.writeStringField("fineTuning", options.fineTuning().optimizer().toString());
    g.writeNumberField("steps", options.np().steps());
    g.writeNumberField("batch", options.batch());
    g.writeNumberField("heldOut", options.heldOut());
    g.writeNumberField("evalEvery", options.np().evalEvery());
    g.writeNumberField("patience", options.np().patience());
    g.writeNumberField("train", options.npTrain().orElse(result.data().train()));
    g.writeEndObject();
  }

  @Override
  public void writeResults(JsonGenerator g) throws IOException {
    new Differences(result).write(g);
    writeCurves(g);
    g.writeObjectFieldStart("coefficients");
    for (Map.Entry<String, Map<String, List<Long>>> tensor : result.coefficients().entrySet()) {
      g.writeObjectFieldStart(tensor.getKey());
      for (Map.Entry<String, List<Long>> counts : tensor.getValue().entrySet()) {
        array(counts.getKey(), counts.getValue(), g);
      }
      g.writeEndObject();
    }
    g.writeEndObject();
    if (result.samples().isPresent()) {
      writeSamples(result.samples().get(), g);
    }
  }

  private void writeCurves(JsonGenerator g) throws IOException {
    g.writeArrayFieldStart("curves");
    for (NpMergeResult.Curve curve : result.curves()) {
      g.writeStartObject();
      g.writeStringField("method", curve.method());
      array("steps", curve.steps(), g);
      ResultsJson.array("heldOut", curve.heldOut(), g);
      ResultsJson.array("batchLoss", curve.batchLoss(), g);
      g.writeArrayFieldStart("pairs");
      for (NpMergeResult.LearningRun run : curve.runs()) {
        g.writeStartObject();
        g.writeNumberField("bestStep", run.bestStep());
        array("steps", run.heldOut().stream().map(HeldOut::step).toList(), g);
        ResultsJson.array("heldOut", run.heldOut().stream().map(HeldOut::loss).toList(), g);
        ResultsJson.array("batchLoss", run.losses(), g);
        g.writeEndObject();
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private static void writeSamples(NpMergeResult.Samples samples, JsonGenerator g)
      throws IOException {
    g.writeObjectFieldStart("samples");
    g.writeStringField("aligner", samples.aligner());
    g.writeArrayFieldStart("points");
    for (int i = 0; i < samples.counts().size(); i++) {
      for (Map.Entry<String, List<NpMergeResult.SamplePoint>> method :
          samples.points().entrySet()) {
        NpMergeResult.SamplePoint point = method.getValue().get(i);
        g.writeStartObject();
        g.writeNumberField("samples", samples.counts().get(i));
        g.writeStringField("method", method.getKey());
        g.writeNumberField("accuracy", point.accuracy());
        g.writeNumberField("accuracySd", point.accuracySd());
        g.writeNumberField("loss", point.loss());
        ResultsJson.array("pairs", point.pairs(), g);
        ResultsJson.array("losses", point.losses(), g);
        g.writeEndObject();
      }
    }
    g.writeEndArray();
    g.writeEndObject();
  }

  private static void array(String name, List<Long> values, JsonGenerator g) throws IOException {
    g.writeFieldName(name);
    g.writeArray(values.stream().mapToLong(Long::longValue).toArray(), 0, values.size());
  }
}
