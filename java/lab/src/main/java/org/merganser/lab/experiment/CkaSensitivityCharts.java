// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;

/** What {@link CkaSensitivityExperiment} shows. */
final class CkaSensitivityCharts {
  /** Of 20 000 samples and 1000 features; read off a figure. */
  private static final Map<Double, Double> PUBLISHED_CUBES =
      Map.of(5.0, 0.47, 10.0, 0.22, 50.0, 0.115);

  /** Of 20 000 samples and 500 features. */
  private static final Map<Double, Double> PUBLISHED_MAPS =
      Map.of(
          0.01, 0.7157, 0.1, 0.7078, 0.2, 0.6158, 0.4, 0.3032, 0.5, 0.2194, 1.0, 0.0911, 5.0,
          0.0475, 100.0, 0.0457);

  private CkaSensitivityCharts() {}

  /**
   * CKA of samples with themselves after a change.
   *
   * @param at how much
   * @param expected by the publication, or by the formula; null where there is nothing
   */
  private record Point(double at, Measured cka, Double expected) {}

  /**
   * @param cubesAsPublished whether cubes that are moved are as large as those published
   * @param mapsAsPublished the same of those that are mapped
   */
  static List<Section<?>> sections(
      List<Findings> pairs, int features, boolean cubesAsPublished, boolean mapsAsPublished) {
    Map<Double, Double> expected =
        new LinkedHashMap<>(cubesAsPublished ? PUBLISHED_CUBES : Map.of());
    expected.put(1e6, Cubes.limit(features));
    List<Section<?>> sections = new ArrayList<>();
    sections.add(
        section(
            "cubes",
            "One of two cubes moved",
            "Linear CKA of samples with themselves, one cube moved by c in a random direction;"
                + " expected: read off the published figure, at the end the limit of many"
                + " samples.",
            "c",
            points(pairs, "cubes", expected)));
    sections.add(
        section(
            "rbf",
            "Its limit with RBF kernels",
            "For bandwidths t times the median distance of the samples before.",
            "t",
            points(pairs, "rbf", Map.of())));
    sections.add(
        section(
            "rbfGrowing",
            "The same with a median of its own for each side",
            "Half of the distances are between the cubes, so the bandwidth grows with c.",
            "t",
            points(pairs, "rbfGrowing", Map.of())));
    sections.add(
        section(
            "invertible",
            "Invertible maps",
            "Linear CKA of X and X M, entries of M normal of mean mu and deviation sigma;"
                + " expected: as published.",
            "mu/sigma",
            points(pairs, "maps", mapsAsPublished ? PUBLISHED_MAPS : Map.of())));
    sections.add(
        section(
            "outlier",
            "One outlier",
            "One sample moved, the others left; at the end the limit.",
            "c in radii",
            points(pairs, "outlier", Map.of())));
    sections.add(
        section(
            "classes",
            "A class moved where the classifier does not see it",
            "The last hidden layer of a trained network on test images, one class moved"
                + " orthogonally to all rows of the classifier: mean over classes, at the end the"
                + " limit.",
            "c in radii",
            points(pairs, MovedClasses.CKA, Map.of())));
    sections.add(MovedClasses.behaviour(pairs));
    sections.add(Section.data("closedForm", List.of(Measured.of(pairs, "closedForm"))));
    return sections;
  }

  private static List<Point> points(
      List<Findings> pairs, String what, Map<Double, Double> expected) {
    return pairs.get(0).map(what).keySet().stream()
        .map(
            at ->
                new Point(
                    Double.parseDouble(at),
                    Measured.of(pairs, what, at),
                    expected.get(Double.parseDouble(at))))
        .toList();
  }

  private static Section<Point> section(
      String id, String title, String about, String at, List<Point> points) {
    Section<Point> section =
        new Section<>(id, title, about, points)
            .number(at, 10, point -> place(point.at()))
            .number("CKA", 24, point -> point.cka().text("%.4f"));
    if (points.stream().anyMatch(point -> point.expected() != null)) {
      section.number(
          "expected",
          9,
          point -> point.expected() == null ? "" : Section.format("%.4f", point.expected()));
    }
    List<String> places =
        IntStream.range(0, points.size())
            .mapToObj(i -> section.columns().get(0).cells().get(i))
            .toList();
    return section.chart(
        new Chart.Lines(id, title, "", at, "CKA")
            .line(
                "CKA",
                2,
                Chart.places(0, points.size()),
                points.stream().map(p -> p.cka().mean()).toList())
            .named(places)
            .limits(0, 1.0));
  }

  private static String place(double at) {
    if (Double.isInfinite(at)) {
      return "limit";
    }
    return at == Math.rint(at) ? "" + (long) at : "" + at;
  }
}
