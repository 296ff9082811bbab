// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;
import java.util.Locale;

/**
 * A picture of points in the plane, of one scale along both axes, coloured by a value of each from
 * dark (least) to bright, grey where it is not finite; the number and the value of a point are
 * shown where the pointer rests.
 */
public final class ScatterSvg {
  private static final int SIDE = 560;
  private static final int EDGE = 24;
  private static final int LEGEND = 96;

  /** Of lightness that grows evenly: dark violet, blue, green, yellow. */
  private static final int[][] COLOURS = {
    {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}
  };

  private static final String GREY = "#b0b0b0";

  private ScatterSvg() {}

  /**
   * @param points [N][2 or more], the first two coordinates are drawn
   * @param values of the points; empty for one colour
   * @param what the values are
   */
  public static String of(double[][] points, double[] values, String what) {
    if (values.length > 0 && values.length != points.length) {
      throw new IllegalArgumentException(values.length + " values of " + points.length + " points");
    }
    double[] x = Arrays.stream(points).mapToDouble(p -> p[0]).toArray();
    double[] y = Arrays.stream(points).mapToDouble(p -> p.length > 1 ? p[1] : 0).toArray();
    double left = Arrays.stream(x).min().orElse(0);
    double low = Arrays.stream(y).min().orElse(0);
    double width = Arrays.stream(x).max().orElse(0) - left;
    double height = Arrays.stream(y).max().orElse(0) - low;
    double scale = (SIDE - 2.0 * EDGE) / Math.max(Double.MIN_NORMAL, Math.max(width, height));
    double least = Arrays.stream(values).filter(Double::isFinite).min().orElse(0);
    double most = Arrays.stream(values).filter(Double::isFinite).max().orElse(0);
    StringBuilder svg = new StringBuilder();
    svg.append(
        String.format(
            Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n",
            SIDE + (values.length > 0 ? LEGEND : 0),
            SIDE));
    for (int i = 0; i < points.length; i++) {
      double share = values.length == 0 ? 0.25 : share(values[i], least, most);
      svg.append(
          String.format(
              Locale.ROOT,
              "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\" fill=\"%s\"><title>%d%s</title></circle>\n",
              EDGE + scale * (x[i] - left),
              SIDE - EDGE - scale * (y[i] - low),
              colour(share),
              i,
              values.length == 0 ? "" : ": " + (float) values[i]));
    }
    if (values.length > 0) {
      legend(svg, what, least, most);
    }
    return svg.append("</svg>\n").toString();
  }

  private static void legend(StringBuilder svg, String what, double least, double most) {
    int steps = 20;
    int high = 240;
    for (int s = 0; s < steps; s++) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"%d\" fill=\"%s\"/>\n",
              SIDE + 4,
              EDGE + 20 + high - (s + 1) * high / steps,
              high / steps,
              colour(s / (steps - 1.0))));
    }
    svg.append(text(SIDE + 4, EDGE + 8, what));
    svg.append(text(SIDE + 24, EDGE + 30, String.valueOf((float) most)));
    svg.append(text(SIDE + 24, EDGE + 20 + high, String.valueOf((float) least)));
  }

  private static String text(int x, int y, String text) {
    String escaped = text.replace("&", "&amp;").replace("<", "&lt;");
    return String.format(Locale.ROOT, "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y, escaped);
  }

  private static double share(double value, double least, double most) {
    if (!Double.isFinite(value)) {
      return Double.NaN;
    }
    return most > least ? (value - least) / (most - least) : 0.25;
  }

  private static String colour(double share) {
    if (!Double.isFinite(share)) {
      return GREY;
    }
    double at = Math.max(0, Math.min(1, share)) * (COLOURS.length - 1);
    int from = Math.min(COLOURS.length - 2, (int) at);
    double rest = at - from;
    int[] rgb = new int[3];
    for (int k = 0; k < 3; k++) {
      rgb[k] = (int) Math.round(COLOURS[from][k] * (1 - rest) + COLOURS[from + 1][k] * rest);
    }
    return "#%02x%02x%02x".formatted(rgb[0], rgb[1], rgb[2]);
  }
}
