// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.DoubleStream;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Panels;
import org.merganser.lab.report.Panels.Axis;
import org.merganser.lab.report.Panels.Panel;
import org.merganser.lab.report.Section;

/**
 * Samples in the plane: of all networks as a part of the page that moves, of the first seed still.
 */
record LandscapeScatter(LandscapeExperiment.Options options, LandscapeFound found) {
  private static final int COLUMNS = 3;

  /** An embedding. */
  enum Plane {
    PHATE(Samples::x, Samples::y),
    PCA(Samples::pcaX, Samples::pcaY);

    private final Function<Samples, List<Double>> x;
    private final Function<Samples, List<Double>> y;

    Plane(Function<Samples, List<Double>> x, Function<Samples, List<Double>> y) {
      this.x = x;
      this.y = y;
    }

    List<Double> x(Samples samples) {
      return x.apply(samples);
    }

    List<Double> y(Samples samples) {
      return y.apply(samples);
    }
  }

  /** A network to be chosen, loss or trajectory as colours, what a sample is under the pointer. */
  Chart moving() {
    List<Map<String, Object>> networks = new ArrayList<>();
    for (int seed = 0; seed < found.seeds().size(); seed++) {
      for (LandscapeMinimum m : found.minima()) {
        Samples samples = found.seeds().get(seed).get(m).samples();
        Map<String, Object> network = new LinkedHashMap<>();
        network.put("name", m.id() + ", seed " + (options.runs().seed() + seed));
        network.put("direction", samples.direction());
        network.put("alpha", samples.alpha());
        network.put("epoch", samples.epoch());
        network.put("train", samples.trainLoss().stream().map(LandscapeTopology::rounded).toList());
        network.put("test", samples.testLoss().stream().map(LandscapeTopology::rounded).toList());
        for (Plane plane : Plane.values()) {
          List<Double> x = plane.x(samples);
          List<Double> y = plane.y(samples);
          network.put(plane.name(), List.of(scaled(x, y), scaled(y, x)));
        }
        networks.add(network);
      }
    }
    try (InputStream template = LandscapeScatter.class.getResourceAsStream("landscape.html")) {
      String part = new String(template.readAllBytes(), StandardCharsets.UTF_8);
      return Chart.html(
          "samples",
          "Samples around each minimum in the plane, by loss or trajectory",
          part.replace("/*NETWORKS*/", Json.text(networks).replace("<", "\\u003c")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Around the middle, by the larger of both extents, to thousandths. */
  private static List<Double> scaled(List<Double> own, List<Double> other) {
    double extent = Math.max(extent(own), extent(other));
    double middle = (least(own) + most(own)) / 2;
    return own.stream()
        .map(v -> Math.round(1000 * (v - middle) / (extent == 0 ? 1 : extent)) / 1000.0)
        .toList();
  }

  private static double least(List<Double> values) {
    return values.stream().mapToDouble(v -> v).min().orElse(0);
  }

  private static double most(List<Double> values) {
    return values.stream().mapToDouble(v -> v).max().orElse(0);
  }

  private static double extent(List<Double> values) {
    return most(values) - least(values);
  }

  /** Coloured by the logarithm of the test loss, each minimum from its least to its largest. */
  Chart byLoss(Plane plane) {
    Panels panels = new Panels(COLUMNS);
    for (LandscapeMinimum m : found.minima()) {
      Samples samples = found.first(m).samples();
      Axis loss = Axis.log("", samples.testLoss().stream().mapToDouble(v -> v));
      draw(
          panels,
          Section.format("%s: %.3g to %.3g", m.id(), loss.low(), loss.high()),
          samples,
          plane,
          i -> Panels.shade(loss.share(samples.testLoss().get(i))));
    }
    return panels.chart(
        file(plane, "loss"),
        plane
            + " of the samples by the logarithm of their test loss, from dark to bright; jumped"
            + " points have a rim");
  }

  /** Coloured by the direction of the jump. */
  Chart byDirection(Plane plane) {
    Panels panels = new Panels(COLUMNS);
    for (LandscapeMinimum m : found.minima()) {
      Samples samples = found.first(m).samples();
      int first = samples.direction().get(0);
      draw(panels, m.id(), samples, plane, i -> Panels.colour(samples.direction().get(i) - first));
    }
    for (int d = 0; d < options.directions(); d++) {
      panels.legend("direction " + (d + 1), Panels.colour(d));
    }
    return panels.chart(
        file(plane, "direction"),
        plane + " of the samples by the direction of their jump; jumped points have a rim");
  }

  private static String file(Plane plane, String by) {
    return plane.name().toLowerCase(Locale.ROOT) + "-" + by;
  }

  private void draw(
      Panels panels, String title, Samples samples, Plane plane, IntFunction<String> colour) {
    List<Double> xs = plane.x(samples);
    List<Double> ys = plane.y(samples);
    Panel panel = panels.panel(title, square(xs, ys), square(ys, xs));
    int rows = options.epochs();
    for (int from = 0; from < samples.size(); from += rows) {
      panel.line("#bbbbbb", 0.7, xs.subList(from, from + rows), ys.subList(from, from + rows));
    }
    for (int i = 0; i < samples.size(); i++) {
      boolean jumped = samples.epoch().get(i) == 0;
      panel.point(colour.apply(i), jumped ? 4 : 2.2, jumped, xs.get(i), ys.get(i));
    }
  }

  /** An axis of the length of the longer one, with a margin. */
  private static Axis square(List<Double> own, List<Double> other) {
    double half = 0.54 * Math.max(extent(own), extent(other));
    double middle = (least(own) + most(own)) / 2;
    return Axis.of("", DoubleStream.of(middle - half, middle + half));
  }
}
