// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.analysis.recurrent.Picture;
import org.merganser.analysis.recurrent.StepReport;
import org.merganser.lab.report.Json;

/** States of one network as points that move from step to step: a page that needs nothing else. */
final class RnnFilm {
  /** Points of a frame. */
  private static final int SHOWN = 400;

  private RnnFilm() {}

  static String page(String title, Picture picture, int trained, Findings seed) {
    StepReport[] reports = RnnDynamicsTables.reports(seed);
    int shown = Math.min(SHOWN, reports[0].picture().size());
    Map<String, Object> film = new LinkedHashMap<>();
    film.put("title", title);
    film.put("plane", plane(picture));
    film.put("trained", trained);
    int[] labels = Json.convert(seed.data().get("labels"), int[].class);
    film.put("labels", IntStream.of(labels).limit(shown).boxed().toList());
    film.put("readout", Stream.of(reports).map(r -> rounded(r.readout(), 1)).toList());
    film.put("probe", Stream.of(reports).map(r -> rounded(r.probe(), 1)).toList());
    film.put("ratio", Stream.of(reports).map(r -> rounded(r.ratio(), 1)).toList());
    film.put("dimension", Stream.of(reports).map(r -> rounded(r.participationRatio(), 1)).toList());
    List<List<Double>> frames = new ArrayList<>();
    for (StepReport report : reports) {
      frames.add(frame(report.picture().subList(0, shown)));
    }
    film.put("frames", frames);
    film.put("warnings", Stream.of(reports).map(StepReport::warnings).toList());
    try (InputStream template = RnnFilm.class.getResourceAsStream("film.html")) {
      String page = new String(template.readAllBytes(), StandardCharsets.UTF_8);
      return page.replace("/*FILM*/", Json.text(film).replace("<", "\\u003c"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Where the points lie, in words. */
  private static String plane(Picture picture) {
    return switch (picture) {
      case PCA -> "on the first two principal components of the step";
      case PHATE -> "where PHATE puts it among the states of the step";
    };
  }

  /** x, y, x, y, ... within [-1, 1], a step's own scale. */
  private static List<Double> frame(List<List<Double>> picture) {
    double most = picture.stream().flatMap(List::stream).mapToDouble(Math::abs).max().orElse(0);
    return picture.stream()
        .flatMap(List::stream)
        .map(value -> rounded(value, most == 0 ? 1 : most))
        .toList();
  }

  private static double rounded(double value, double unit) {
    return Double.isFinite(value) ? Math.round(1000 * value / unit) / 1000.0 : value;
  }
}
