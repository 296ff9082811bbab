// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import org.merganser.analysis.topology.Diagram.Point;

/**
 * Pictures of persistence: bars from birth to death, or points over their births. One scale for all
 * diagrams, a colour for each degree; what never dies goes to the edge, with an arrow or on a line
 * of its own. Of more than 200 classes of a degree a barcode has the longest, and says so.
 */
public final class DiagramSvg {
  private static final String[] COLOURS = {"#0072b2", "#d55e00", "#009e73"};
  private static final int MOST_BARS = 200;
  private static final int LEFT = 64;
  private static final int TOP = 16;
  private static final int SIDE = 480;
  private static final int BAR = 4;
  private static final int HEADING = 22;
  private static final int TICKS = 5;

  private final List<Diagram> diagrams;
  private final double low;
  private final double high;
  private final StringBuilder svg = new StringBuilder();

  private DiagramSvg(List<Diagram> diagrams) {
    this.diagrams = diagrams;
    double[] finite =
        diagrams.stream()
            .flatMap(d -> d.points().stream())
            .flatMapToDouble(p -> DoubleStream.of(p.birth(), p.death()))
            .filter(Double::isFinite)
            .toArray();
    double least = DoubleStream.of(finite).min().orElse(0);
    double most = DoubleStream.of(finite).max().orElse(1);
    low = least;
    high = most > least ? most : least + 1;
  }

  /** A bar for each class, by birth; a panel for each degree. */
  public static String barcode(List<Diagram> diagrams) {
    return new DiagramSvg(diagrams).bars();
  }

  /** Deaths over births, the diagonal, and a line for what never dies. */
  public static String diagram(List<Diagram> diagrams) {
    return new DiagramSvg(diagrams).points();
  }

  private String bars() {
    int height = TOP;
    for (Diagram d : diagrams) {
      height += HEADING + BAR * Math.min(MOST_BARS, d.size()) + 8;
    }
    begin(LEFT + SIDE + 40, height + 40);
    int y = TOP;
    for (Diagram d : diagrams) {
      List<Point> shown =
          d.points().stream()
              .sorted(Comparator.comparingDouble(Point::lifetime).reversed())
              .limit(MOST_BARS)
              .sorted(Comparator.comparingDouble(Point::birth).thenComparing(Point::death))
              .toList();
      String which =
          shown.size() < d.size()
              ? "the longest " + shown.size() + " of " + d.size()
              : d.size() == 1 ? "1 class" : d.size() + " classes";
      line(
          "<text x=\"%d\" y=\"%d\">degree %d: %s</text>", LEFT, y + HEADING - 8, d.degree(), which);
      y += HEADING;
      for (Point p : shown) {
        bar(p, y, colour(d));
        y += BAR;
      }
      y += 8;
    }
    scale(y, true);
    return end();
  }

  private void bar(Point p, int y, String colour) {
    double from = x(p.birth());
    double to = p.essential() ? p.death() > 0 ? LEFT + SIDE : LEFT : x(p.death());
    line(
        "<path d=\"M%.2f %.1fH%.2f\" stroke=\"%s\" stroke-width=\"2.4\"><title>%s</title></path>",
        from, y + BAR / 2.0, to, colour, title(p));
    if (p.essential()) {
      int forward = p.death() > 0 ? 5 : -5;
      line(
          "<path d=\"M%.2f %.1fl%d 2.5l%d 2.5z\" fill=\"%s\"/>",
          to, y + BAR / 2.0 - 2.5, forward, -forward, colour);
    }
  }

  private String points() {
    int floor = TOP + HEADING + SIDE;
    begin(LEFT + SIDE + 120, floor + 48);
    line("<path d=\"M%d %dL%d %d\" stroke=\"#999\"/>", LEFT, floor, LEFT + SIDE, floor - SIDE);
    line(
        "<path d=\"M%d %dH%d\" stroke=\"#999\" stroke-dasharray=\"6 4\"/>", LEFT, TOP, LEFT + SIDE);
    line("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">never</text>", LEFT - 8, TOP + 4);
    int row = 0;
    for (Diagram d : diagrams) {
      for (Point p : d.points()) {
        double y = p.essential() ? TOP : floor - (x(p.death()) - LEFT);
        line(
            "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\" fill=\"%s\" fill-opacity=\"0.6\">"
                + "<title>%s</title></circle>",
            x(p.birth()), y, colour(d), title(p));
      }
      int at = TOP + HEADING + 20 * row++;
      line(
          "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">degree"
              + " %d</text>",
          LEFT + SIDE + 24, at, colour(d), LEFT + SIDE + 34, at + 4, d.degree());
    }
    scale(floor, true);
    scale(floor, false);
    line(
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">birth</text>", LEFT + SIDE / 2, floor + 38);
    line(
        "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">death</text>",
        floor - SIDE / 2);
    return end();
  }

  /** An axis with numbers, along the floor or up the left side. */
  private void scale(int floor, boolean along) {
    line("<path d=\"M%d %d%s%d\" stroke=\"black\"/>", LEFT, floor, along ? "h" : "v-", SIDE);
    for (int k = 0; k <= TICKS; k++) {
      double value = low + (high - low) * k / TICKS;
      double at = x(value);
      if (along) {
        line("<text x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>", at, floor + 18, value);
      } else {
        line(
            "<text x=\"%d\" y=\"%.2f\" text-anchor=\"end\">%.3g</text>",
            LEFT - 8, floor - (at - LEFT) + 4, value);
      }
    }
  }

  private double x(double value) {
    return LEFT + SIDE * (value - low) / (high - low);
  }

  private static String colour(Diagram d) {
    return COLOURS[d.degree() % COLOURS.length];
  }

  private static String title(Point p) {
    String death = p.essential() ? "never dies" : format("dies at %.6g", p.death());
    return format("born at %.6g, %s", p.birth(), death);
  }

  private void begin(int width, int height) {
    line(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
            + " font-family=\"sans-serif\" font-size=\"12\">",
        width, height, width, height);
    line("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>");
  }

  private String end() {
    line("</svg>");
    return svg.toString();
  }

  private void line(String format, Object... values) {
    svg.append(format(format, values)).append('\n');
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
