// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.linalg.Matrix;

/** What ripser printed; see make.py beside the file. */
record RipserFixture(
    String name, double threshold, boolean points, double[][] numbers, List<Diagram> diagrams) {
  @Override
  public String toString() {
    return name;
  }

  Matrix matrix() {
    return Matrix.of(numbers);
  }

  static List<String> lines(String file) {
    try (InputStream in = RipserFixture.class.getResourceAsStream("/fixtures/topology/" + file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static double[] numbers(String line) {
    return Arrays.stream(line.trim().split(" +"))
        .filter(word -> !word.isEmpty())
        .mapToDouble(
            word -> word.equals("inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(word))
        .toArray();
  }

  static List<RipserFixture> all() {
    List<RipserFixture> all = new ArrayList<>();
    List<List<Diagram.Point>> points = new ArrayList<>();
    List<double[]> rows = new ArrayList<>();
    String name = null;
    double threshold = 0;
    boolean cloud = false;
    List<String> lines = new ArrayList<>(lines("barcodes.txt"));
    lines.add("input end");
    for (String line : lines) {
      if (line.startsWith("input ")) {
        if (name != null) {
          List<Diagram> diagrams = new ArrayList<>();
          points.forEach(each -> diagrams.add(new Diagram(diagrams.size(), each)));
          all.add(
              new RipserFixture(name, threshold, cloud, rows.toArray(double[][]::new), diagrams));
        }
        name = line.substring("input ".length());
        points.clear();
        rows.clear();
      } else if (line.startsWith("threshold ")) {
        threshold = Double.parseDouble(line.substring("threshold ".length()));
      } else if (line.equals("points") || line.equals("distances")) {
        cloud = line.equals("points");
      } else if (line.startsWith("degree ")) {
        points.add(new ArrayList<>());
      } else {
        double[] values = numbers(line);
        if (points.isEmpty()) {
          rows.add(values);
        } else {
          points.get(points.size() - 1).add(new Diagram.Point(values[0], values[1]));
        }
      }
    }
    return all;
  }
}
