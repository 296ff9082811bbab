// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.List;
import java.util.Locale;

/**
 * Pictures over the plane of gain n (across) and saturation s (up): a value as filled contours
 * between the points of a grid, or arrows from where something began to where it came. The dashed
 * line is where the largest slope of the units is 1, {@code s = 1/(sqrt(n) - 1)^2}: above it states
 * can explode.
 */
public final class ShapePlane {
  private static final int WIDTH = 460;
  private static final int HEIGHT = 300;
  private static final int LEFT = 54;
  private static final int TOP = 36;
  private static final int LEVELS = 12;
  private static final int CELLS = 60;
  private static final int[][] VIRIDIS = {
    {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}
  };

  private final StringBuilder svg = new StringBuilder();
  private final double fromN;
  private final double toN;
  private final double fromS;
  private final double toS;

  private ShapePlane(String title, double fromN, double toN, double fromS, double toS) {
    this.fromN = fromN;
    this.toN = toN > fromN ? toN : fromN + 1;
    this.fromS = fromS;
    this.toS = toS > fromS ? toS : fromS + 1;
    add(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\""
            + " font-family=\"sans-serif\" font-size=\"12\">",
        LEFT + WIDTH + 90, TOP + HEIGHT + 50);
    add("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>");
    add("<text x=\"%d\" y=\"20\" font-weight=\"bold\">%s</text>", LEFT, title);
  }

  /**
   * Where something began and where it came.
   *
   * @param n of the start
   * @param s of the start
   */
  public record Arrow(double n, double s, double endN, double endS) {}

  /**
   * A value over a grid, by bilinear interpolation.
   *
   * @param file name of the picture, without ending
   * @param text what it shows, in words
   * @param gains increasing, at least two for a plane
   * @param saturations increasing
   * @param values [saturation][gain], finite
   */
  public static Chart contours(
      String file,
      String text,
      String title,
      List<Double> gains,
      List<Double> saturations,
      double[][] values) {
    ShapePlane plane =
        new ShapePlane(
            title,
            gains.get(0),
            gains.get(gains.size() - 1),
            saturations.get(0),
            saturations.get(saturations.size() - 1));
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (double[] row : values) {
      for (double value : row) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    plane.fill(gains, saturations, values, low, high > low ? high : low + 1);
    for (int i = 0; i < saturations.size(); i++) {
      for (int j = 0; j < gains.size(); j++) {
        plane.value(gains.get(j), saturations.get(i), values[i][j]);
      }
    }
    plane.scale(low, high);
    return plane.chart(file, text);
  }

  /** Displacements, all finite. */
  public static Chart arrows(String file, String text, String title, List<Arrow> arrows) {
    double most = arrows.stream().mapToDouble(a -> Math.max(a.n, a.endN)).max().orElse(1);
    double least = arrows.stream().mapToDouble(a -> Math.min(a.n, a.endN)).min().orElse(0);
    double low = arrows.stream().mapToDouble(a -> Math.min(a.s, a.endS)).min().orElse(0);
    double high = arrows.stream().mapToDouble(a -> Math.max(a.s, a.endS)).max().orElse(1);
    double margin = 0.04 * (most - least);
    ShapePlane plane =
        new ShapePlane(
            title, least - margin, most + margin, Math.min(0, low) - .04, Math.max(1, high) + .04);
    plane.add(
        "<defs><marker id=\"%s\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\""
            + " markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#2f6f8f\"/>"
            + "</marker></defs>",
        file);
    for (Arrow arrow : arrows) {
      plane.add(
          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"#d55e00\"/>",
          plane.x(arrow.n), plane.y(arrow.s));
      plane.add(
          "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#2f6f8f\""
              + " stroke-width=\"1.6\" marker-end=\"url(#%s)\"/>",
          plane.x(arrow.n), plane.y(arrow.s), plane.x(arrow.endN), plane.y(arrow.endS), file);
    }
    return plane.chart(file, text);
  }

  private void fill(
      List<Double> gains, List<Double> saturations, double[][] values, double low, double high) {
    for (int i = 0; i < CELLS; i++) {
      for (int j = 0; j < CELLS; j++) {
        double n = fromN + (toN - fromN) * (j + .5) / CELLS;
        double s = fromS + (toS - fromS) * (i + .5) / CELLS;
        double part = (between(gains, saturations, values, n, s) - low) / (high - low);
        add(
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>",
            x(n) - .5 * WIDTH / CELLS,
            y(s) - .5 * HEIGHT / CELLS,
            (double) WIDTH / CELLS + .3,
            (double) HEIGHT / CELLS + .3,
            colour(Math.min(LEVELS - 1, Math.floor(part * LEVELS)) / (LEVELS - 1)));
      }
    }
  }

  private static double between(
      List<Double> gains, List<Double> saturations, double[][] values, double n, double s) {
    int j = cell(gains, n);
    int i = cell(saturations, s);
    int right = Math.min(j + 1, gains.size() - 1);
    int above = Math.min(i + 1, saturations.size() - 1);
    double u = right == j ? 0 : (n - gains.get(j)) / (gains.get(right) - gains.get(j));
    double v =
        above == i ? 0 : (s - saturations.get(i)) / (saturations.get(above) - saturations.get(i));
    return (1 - v) * ((1 - u) * values[i][j] + u * values[i][right])
        + v * ((1 - u) * values[above][j] + u * values[above][right]);
  }

  private static int cell(List<Double> places, double at) {
    int i = 0;
    while (i + 2 < places.size() && places.get(i + 1) <= at) {
      i++;
    }
    return i;
  }

  private void value(double n, double s, double value) {
    String anchor = n == toN ? "end" : n == fromN ? "start" : "middle";
    add(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"10\" stroke=\"white\""
            + " stroke-width=\"2\" paint-order=\"stroke\">%.3f</text>",
        x(n), y(s) + (s == toS ? 10 : s == fromS ? -3 : 4), anchor, value);
  }

  private void scale(double low, double high) {
    for (int i = 0; i < LEVELS; i++) {
      add(
          "<rect x=\"%d\" y=\"%.1f\" width=\"14\" height=\"%.1f\" fill=\"%s\"/>",
          LEFT + WIDTH + 16,
          TOP + HEIGHT - (i + 1.0) * HEIGHT / LEVELS,
          (double) HEIGHT / LEVELS + .3,
          colour(i / (LEVELS - 1.0)));
    }
    add("<text x=\"%d\" y=\"%d\">%.3f</text>", LEFT + WIDTH + 34, TOP + 10, high);
    add("<text x=\"%d\" y=\"%d\">%.3f</text>", LEFT + WIDTH + 34, TOP + HEIGHT, low);
  }

  /** Of a part in [0, 1], from dark to bright. */
  static String colour(double part) {
    double at = part * (VIRIDIS.length - 1);
    int i = Math.min(VIRIDIS.length - 2, (int) at);
    int[] mixed = new int[3];
    for (int k = 0; k < 3; k++) {
      mixed[k] = (int) Math.round(VIRIDIS[i][k] + (at - i) * (VIRIDIS[i + 1][k] - VIRIDIS[i][k]));
    }
    return String.format(Locale.ROOT, "#%02x%02x%02x", mixed[0], mixed[1], mixed[2]);
  }

  private Chart chart(String file, String text) {
    StringBuilder bound = new StringBuilder();
    for (int i = 0; i <= 200; i++) {
      double n = fromN + (toN - fromN) * i / 200;
      double s = 1 / Math.pow(Math.sqrt(Math.max(n, 0)) - 1, 2);
      if (n > 4 && s <= Math.min(1, toS) && s >= fromS) {
        bound.append(String.format(Locale.ROOT, "%.1f,%.1f ", x(n), y(s)));
      }
    }
    if (!bound.isEmpty()) {
      add(
          "<polyline points=\"%s\" fill=\"none\" stroke=\"black\" stroke-dasharray=\"5 4\"/>",
          bound.toString().strip());
    }
    add(
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#444\"/>",
        LEFT, TOP, WIDTH, HEIGHT);
    for (int i = 0; i <= 4; i++) {
      double n = fromN + (toN - fromN) * i / 4;
      double s = fromS + (toS - fromS) * i / 4;
      add(
          "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>",
          x(n), TOP + HEIGHT + 18, n);
      add("<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>", LEFT - 6, y(s) + 4, s);
    }
    add(
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">gain n</text>",
        LEFT + WIDTH / 2, TOP + HEIGHT + 38);
    add("<text x=\"8\" y=\"%d\">s</text>", TOP + HEIGHT / 2);
    return Chart.svg(file, text, svg.append("</svg>\n").toString());
  }

  private double x(double n) {
    return LEFT + WIDTH * (n - fromN) / (toN - fromN);
  }

  private double y(double s) {
    return TOP + HEIGHT * (1 - (s - fromS) / (toS - fromS));
  }

  private void add(String format, Object... values) {
    svg.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
