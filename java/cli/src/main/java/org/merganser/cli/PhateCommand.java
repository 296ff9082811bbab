// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.Phate;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.analysis.geometry.ScatterSvg;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.io.PartialFile;
import org.merganser.io.Npy;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Settings;
import org.merganser.plan.Doctor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Points in the plane, by diffusion. */
@Command(
    name = "phate",
    description = {
      "Embeds points in the plane by PHATE: those between which random walks spread alike lie"
          + " together. Of a .npy file, [points x coordinates] (read some columns at a time, whatever"
          + " it measures), or with --distances [points x points]."
    },
    footer = {
      "",
      "Example:",
      "  merganser phate parameters.npy --colour loss.npy --out phate",
      "  merganser phate distances.npy --distances --settings knn=10,t=20 --out phate"
    })
final class PhateCommand extends Computation {
  private static final String EMBEDDING = "embedding.npy";
  private static final String POTENTIAL = "potential.npy";
  private static final String LARGE_IS_LIKELY =
      "of gamma %s large potentials are likely transitions: persistence --neighbours-of potential.npy would take the least likely; give it --by rows, or gamma=1 here";

  /** Between points. */
  enum PointMetric {
    COSINE_CENTRED,
    COSINE,
    EUCLIDEAN
  }

  @Parameters(index = "0", paramLabel = "FILE", description = "A .npy file, F64 or F32.")
  Path file;

  @Option(
      names = "--distances",
      description = "The file has distances: symmetric, 0 on the diagonal.")
  boolean distances;

  @Option(
      names = "--metric",
      paramLabel = "METRIC",
      description =
          "Of points: cosine_centred (one less the cosine, about the mean of all), cosine, or"
              + " euclidean (default: cosine_centred).")
  PointMetric metric;

  @Option(
      names = "--settings",
      paramLabel = "NAME=VALUE,...",
      description =
          "knn, decay, t, most, spectrum, gamma, metric, dimensions, solver, landmarks, seed"
              + " (default: knn=5,decay=40,t=0,gamma=1, which is t at the knee and logarithms).")
  String settings = "";

  @Option(
      names = "--colour",
      paramLabel = "FILE",
      description = "A .npy file with a value for each point, which colours the picture.")
  Path colour;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description =
          "The folder for embedding.npy, potential.npy (not where landmarks are walked between),"
              + " results.json, report.html and its pictures.")
  Path out;

  @Override
  void run(PrintWriter print) throws IOException {
    Phate phate =
        new Phate(Settings.of(Phate.Options.defaults()).parse("--settings", settings(settings)));
    if (distances && metric != null) {
      throw new IllegalArgumentException(
          "--metric measures points; --distances has distances already; drop one of them");
    }
    Compared.requireFolder(out);
    double[] values = colour == null ? new double[0] : ArrayFiles.values(colour);
    for (int i = 0; i < values.length; i++) {
      if (!Double.isFinite(values[i])) {
        throw new NumericalException(
            "%s: value %d is %s, which has no colour".formatted(colour, i, values[i]));
      }
    }
    try (Workspace ws = open(0);
        Matrix apart = distances(ws)) {
      if (values.length > 0 && values.length != apart.rows()) {
        throw new IllegalArgumentException(
            "%s has %d values, %s %d points".formatted(colour, values.length, file, apart.rows()));
      }
      long start = System.nanoTime();
      Phate.Result found = phate.fit(apart, ws);
      double seconds = (System.nanoTime() - start) / 1e9;
      progress.close();
      report(phate.options(), found, values, seconds, print);
    }
  }

  private static Map<String, String> settings(String text) {
    Map<String, String> given = new LinkedHashMap<>();
    for (String each : text.isEmpty() ? new String[0] : text.split(",", -1)) {
      int equals = each.indexOf('=');
      if (equals < 1) {
        throw new IllegalArgumentException(
            "--settings: '" + each + "' is no name=value, such as knn=10");
      }
      given.put(each.substring(0, equals), each.substring(equals + 1));
    }
    return given;
  }

  private PointMetric pointMetric() {
    return metric == null ? PointMetric.COSINE_CENTRED : metric;
  }

  private Matrix distances(Workspace ws) throws IOException {
    if (distances) {
      try (Matrix read = ArrayFiles.matrix(file, "[points x points]");
          Tensor wide = read.asTensor().to(DType.F64, ws)) {
        return Matrix.of(wide.toHost(ws));
      }
    }
    try (Npy open = Npy.open(file)) {
      SampleRows rows = SampleRows.of(open);
      PointMetric taken = pointMetric();
      if (taken == PointMetric.COSINE) {
        try (GramMatrix gram = GramMatrix.raw(rows, ws)) {
          return gram.cosine();
        }
      }
      try (GramMatrix gram = GramMatrix.centred(rows, DType.F64, ws)) {
        return taken == PointMetric.COSINE_CENTRED ? gram.cosine() : gram.euclidean();
      }
    }
  }

  private void report(
      Phate.Options options, Phate.Result found, double[] values, double seconds, PrintWriter print)
      throws IOException {
    double[][] points = found.points();
    double[][] potential = found.potential();
    List<String> warnings = new ArrayList<>(found.warnings());
    if (options.gamma() != 1 && potential.length > 0) {
      warnings.add(LARGE_IS_LIKELY.formatted(options.gamma()));
    }
    warnings.forEach(each -> print.println("warning: " + each));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("file", file.toString());
    facts.put("points", points.length);
    facts.put("distances", distances);
    if (!distances) {
      facts.put("pointMetric", Compared.lower(pointMetric()));
    }
    facts.put("settings", Settings.values(options));
    facts.put("t", found.t());
    facts.put("components", found.components());
    facts.put("duplicates", found.duplicates());
    facts.put("landmarks", found.landmarks());
    facts.put("stress", found.stress());
    facts.put("warnings", warnings);
    facts.put("entropy", found.entropy());
    String text =
        "%d points of %s after %d steps of the walk; distances in the picture miss those of the potentials by %.3f of them."
            .formatted(points.length, file, found.t(), found.stress());
    String name = colour == null ? "" : String.valueOf(colour.getFileName());
    List<Section<?>> sections = new ArrayList<>();
    sections.add(
        new Section<>("embedding", "Embedding", text, List.<String>of())
            .chart(Chart.svg("embedding", "PHATE", ScatterSvg.of(points, values, name))));
    if (found.entropy().length > 0) {
      sections.add(entropy(found));
    }
    Report report =
        new Report(
            "PHATE",
            text,
            facts,
            sections,
            Map.of("version", Doctor.version()),
            Map.of("compute", seconds));
    print.println(text);
    Files.createDirectories(out);
    write(EMBEDDING, points);
    if (potential.length > 0) {
      write(POTENTIAL, potential);
    }
    report.write(out);
    print.println("points   " + Printable.line(out.resolve(EMBEDDING)));
    if (potential.length > 0) {
      print.println("potential " + Printable.line(out.resolve(POTENTIAL)));
    } else {
      print.println("potential none: it is of %d landmarks only".formatted(found.landmarks()));
    }
    print.println("report   " + Printable.line(out.resolve(PersistenceReport.PAGE)));
  }

  /** Why t is what it is. */
  private static Section<String> entropy(Phate.Result found) {
    double[] h = found.entropy();
    double t = found.t();
    String text =
        "Two lines fit the entropy of the spectrum best where they meet at %d, which is t. As the authors count, 0 is the entropy of one step."
            .formatted(found.t());
    Chart.Lines chart =
        new Chart.Lines("entropy", text, "Entropy of the spectrum", "steps, from 0", "H");
    chart.line("H", 2, Chart.places(0, h.length), Arrays.stream(h).boxed().toList());
    chart.line(
        "t = " + found.t(), -1, List.of(t, t), List.of(0.0, Arrays.stream(h).max().orElse(0)));
    return new Section<>("knee", "Entropy", text, List.<String>of()).chart(chart);
  }

  private void write(String name, double[][] rows) throws IOException {
    Path target = out.resolve(name);
    PartialFile.requirePlace(target, 0);
    try (Matrix matrix = Matrix.of(rows)) {
      Npy.write(matrix.asTensor(), target);
    }
  }
}
