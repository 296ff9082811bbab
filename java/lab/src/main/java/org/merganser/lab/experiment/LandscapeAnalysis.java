// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.Phate;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.analysis.landscape.SampleStore;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.Landscape.Components;
import org.merganser.lab.experiment.Landscape.Probes;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.experiment.Landscape.Walk;
import org.merganser.linalg.Matrix;
import org.merganser.model.Evaluation;

/** What is made of the samples around one minimum: embeddings and persistence. */
final class LandscapeAnalysis {
  /** Principal components whose variance is told. */
  private static final int COMPONENTS = 6;

  private final LandscapeExperiment.Options options;
  private final Stopwatch watch;
  private final Workspace ws;
  private final List<Valleys> valleys = new ArrayList<>();

  LandscapeAnalysis(LandscapeExperiment.Options options, Stopwatch watch, Workspace ws) {
    this.options = options;
    this.watch = watch;
    this.ws = ws;
  }

  /**
   * Everything about a minimum.
   *
   * @param train of theta*
   * @param test likewise
   * @param drawn likewise
   * @param points where the probes lie
   */
  Landscape of(
      Evaluation train,
      Evaluation test,
      Evaluation drawn,
      SampleStore store,
      LandscapeProbes points,
      Probes probes)
      throws IOException {
    Map<String, double[]> losses =
        Map.of("train", store.column("train-loss"), "test", store.column("test-loss"));
    int rows = store.plan().rows();
    Phate.Result phate;
    double[][] pca;
    List<Double> shares;
    try (GramMatrix products =
        watch.time("geometry", () -> GramMatrix.centred(store, DType.F64, ws))) {
      phate = embedded(LandscapeSampling.RETRAINED, products, losses);
      embedded(LandscapeSampling.RETRAINED_EUCLIDEAN, products, losses);
      pca = products.components(COMPONENTS, ws);
      shares = shares(pca, products);
    }
    probe(LandscapeSampling.LINES, points.lines(), probes.trainLines(), probes.testLines());
    probe(LandscapeSampling.PLANE, points.plane(), probes.trainPlane(), probes.testPlane());
    return new Landscape(
        train,
        test,
        drawn,
        table(store, phate.points(), pca),
        new Walk(
            phate.t(),
            LandscapeProbes.list(phate.entropy()),
            phate.components(),
            phate.stress(),
            together(phate.points(), rows),
            phate.warnings()),
        new Components(shares, together(pca, rows)),
        probes,
        List.copyOf(valleys));
  }

  private void probe(
      LandscapeSampling kind, Matrix points, List<List<Double>> train, List<List<Double>> test)
      throws IOException {
    try (points;
        GramMatrix products = GramMatrix.centred(SampleRows.of(points), DType.F64, ws)) {
      Map<String, double[]> losses =
          Map.of("train", LandscapeProbes.flat(train), "test", LandscapeProbes.flat(test));
      embedded(kind, products, losses);
    }
  }

  private Phate.Result embedded(
      LandscapeSampling kind, GramMatrix products, Map<String, double[]> losses)
      throws IOException {
    boolean cosine = kind == LandscapeSampling.RETRAINED;
    // As the paper has it: potentials are compared as the samples are.
    Phate phate =
        new Phate(
            Phate.Options.defaults()
                .with("knn", options.knn())
                .with("metric", cosine ? Phate.Metric.COSINE : Phate.Metric.EUCLIDEAN));
    Phate.Result result;
    try (Matrix distances = cosine ? products.cosine() : products.euclidean()) {
      result = watch.time("geometry", () -> phate.fit(distances, ws));
    }
    watch.run(
        "topology",
        () ->
            valleys.addAll(
                LandscapeTopology.valleys(kind, result.potential(), options.k(), losses)));
    return result;
  }

  /** Parts of the variance along each component. */
  private static List<Double> shares(double[][] components, GramMatrix products) {
    double total = 0;
    for (int i = 0; i < products.samples(); i++) {
      total += products.products().get(i, i);
    }
    double all = total;
    return IntStream.range(0, COMPONENTS)
        .mapToObj(k -> Arrays.stream(components).mapToDouble(row -> row[k] * row[k]).sum() / all)
        .toList();
  }

  /**
   * Mean distance between the ends of trajectories in the plane by that between their beginnings: 1
   * where training brings none nearer.
   *
   * @param rows of a trajectory
   */
  static double together(double[][] points, int rows) {
    return spread(points, rows, rows - 1) / spread(points, rows, 0);
  }

  private static double spread(double[][] points, int rows, int at) {
    double sum = 0;
    for (int i = at; i < points.length; i += rows) {
      for (int j = at; j < i; j += rows) {
        sum += Math.hypot(points[i][0] - points[j][0], points[i][1] - points[j][1]);
      }
    }
    return sum;
  }

  private static Samples table(SampleStore store, double[][] points, double[][] pca) {
    return new Samples(
        whole(store.column("seed")),
        LandscapeProbes.list(store.column("alpha")),
        whole(store.column("epoch")),
        LandscapeProbes.list(store.column("train-loss")),
        LandscapeProbes.list(store.column("test-loss")),
        coordinates(points, 0),
        coordinates(points, 1),
        coordinates(pca, 0),
        coordinates(pca, 1));
  }

  private static List<Integer> whole(double[] values) {
    return Arrays.stream(values).mapToObj(value -> (int) Math.round(value)).toList();
  }

  private static List<Double> coordinates(double[][] points, int axis) {
    return Arrays.stream(points).map(p -> LandscapeTopology.rounded(p[axis])).toList();
  }
}
