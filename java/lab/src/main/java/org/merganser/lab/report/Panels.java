// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * Small pictures side by side, each with axes of its own: lines, bands, points and cells, drawn in
 * the order in which they are added. What lies beyond an axis is drawn at its end.
 */
public final class Panels {
  private static final int WIDTH = 220;
  private static final int HEIGHT = 170;
  private static final int LEFT = 62;
  private static final int TOP = 30;
  private static final int ACROSS = LEFT + WIDTH + 16;
  private static final int DOWN = TOP + HEIGHT + 44;
  private static final int LEGEND = 26;
  private static final int TICKS = 3;

  /** Distinguishable with colour-blind eyes too (after Wong 2011). */
  private static final String[] COLOURS = {
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f7f7f", "#5b3a8c"
  };

  /**
   * An axis.
   *
   * @param log whether it has a logarithmic scale; both ends are positive then
   */
  public record Axis(String title, double low, double high, boolean log) {
    public Axis {
      if (!Double.isFinite(low) || !Double.isFinite(high) || log && low <= 0) {
        throw new IllegalArgumentException(
            "an axis from " + low + " to " + high + (log ? " with logarithms" : ""));
      }
      if (!(high > low)) {
        high = log ? 2 * low : low + Math.max(1e-9, Math.abs(low));
      }
    }

    /** Of finite values, at least one. */
    public static Axis of(String title, DoubleStream values) {
      double[] all = values.filter(Double::isFinite).toArray();
      double low = DoubleStream.of(all).min().orElse(0);
      double high = DoubleStream.of(all).max().orElse(1);
      return new Axis(title, low, high, false);
    }

    /** With a logarithmic scale; values that have no logarithm are left out. */
    public static Axis log(String title, DoubleStream values) {
      double[] all = values.filter(v -> v > 0 && Double.isFinite(v)).toArray();
      double low = DoubleStream.of(all).min().orElse(1);
      double high = DoubleStream.of(all).max().orElse(low);
      return new Axis(title, low, high, true);
    }

    /** Where a value lies, from 0 to 1. */
    public double share(double value) {
      if (log && !(value > 0)) {
        return 0;
      }
      double part =
          log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return Double.isNaN(part) ? 0 : Math.max(0, Math.min(1, part));
    }

    private double at(double share) {
      return log ? low * Math.pow(high / low, share) : low + (high - low) * share;
    }
  }

  private final int columns;
  private final List<Panel> panels = new ArrayList<>();
  private final List<String> names = new ArrayList<>();
  private final List<String> colours = new ArrayList<>();

  /**
   * @param columns panels of a row
   */
  public Panels(int columns) {
    this.columns = columns;
  }

  /** Of the k-th of several things. */
  public static String colour(int k) {
    return COLOURS[k % COLOURS.length];
  }

  /** Of a part in [0, 1], from dark to bright. */
  public static String shade(double part) {
    return ShapePlane.colour(Math.max(0, Math.min(1, part)));
  }

  /** Adds a panel. */
  public Panel panel(String title, Axis x, Axis y) {
    Panel panel = new Panel(title, x, y);
    panels.add(panel);
    return panel;
  }

  /** Says what a colour is of. */
  public Panels legend(String name, String colour) {
    names.add(name);
    colours.add(colour);
    return this;
  }

  /** The picture. */
  public Chart chart(String file, String text) {
    int rows = (panels.size() + columns - 1) / columns;
    int height = rows * DOWN + (names.isEmpty() ? 0 : LEGEND);
    StringBuilder svg = new StringBuilder();
    svg.append(
        format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\""
                + " font-family=\"sans-serif\" font-size=\"11\">%n<rect width=\"100%%\""
                + " height=\"100%%\" fill=\"white\"/>%n",
            ACROSS * Math.min(columns, panels.size()),
            height,
            ACROSS * Math.min(columns, panels.size())));
    for (int i = 0; i < panels.size(); i++) {
      svg.append(panels.get(i).finished(i % columns * ACROSS, i / columns * DOWN));
    }
    int at = 12;
    for (int i = 0; i < names.size(); i++) {
      int y = rows * DOWN + 12;
      svg.append(
          format("<circle cx=\"%d\" cy=\"%d\" r=\"5\" fill=\"%s\"/>%n", at + 5, y, colours.get(i)));
      svg.append(text(at + 15, y + 4, "start", names.get(i)));
      at += 32 + 7 * names.get(i).length();
    }
    return Chart.svg(file, text, svg.append("</svg>\n").toString());
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private static String text(double x, double y, String anchor, String text) {
    return format(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n", x, y, anchor, escaped(text));
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;");
  }

  /** One of the pictures. */
  public static final class Panel {
    private final String title;
    private final Axis x;
    private final Axis y;
    private final StringBuilder drawn = new StringBuilder();

    private Panel(String title, Axis x, Axis y) {
      this.title = title;
      this.x = x;
      this.y = y;
    }

    private double across(double value) {
      return LEFT + WIDTH * x.share(value);
    }

    private double up(double value) {
      return TOP + HEIGHT * (1 - y.share(value));
    }

    private String path(List<Double> xs, List<Double> ys) {
      StringBuilder path = new StringBuilder();
      for (int i = 0; i < xs.size(); i++) {
        path.append(format("%.1f,%.1f ", across(xs.get(i)), up(ys.get(i))));
      }
      return path.toString().strip();
    }

    /** A line through points. */
    public Panel line(String colour, double width, List<Double> xs, List<Double> ys) {
      drawn.append(
          format(
              "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\"/>%n",
              path(xs, ys), colour, width));
      return this;
    }

    /** What lies between two lines. */
    public Panel band(String colour, List<Double> xs, List<Double> lows, List<Double> highs) {
      List<Double> there = new ArrayList<>(xs);
      List<Double> around = new ArrayList<>(highs);
      for (int i = xs.size() - 1; i >= 0; i--) {
        there.add(xs.get(i));
        around.add(lows.get(i));
      }
      drawn.append(
          format(
              "<polygon points=\"%s\" fill=\"%s\" fill-opacity=\"0.18\"/>%n",
              path(there, around), colour));
      return this;
    }

    /**
     * A point.
     *
     * @param marked with a rim
     */
    public Panel point(String colour, double radius, boolean marked, double atX, double atY) {
      drawn.append(
          format(
              "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"%s/>%n",
              across(atX),
              up(atY),
              radius,
              colour,
              marked ? " stroke=\"black\" stroke-width=\"1.2\"" : ""));
      return this;
    }

    /** A cell of a map. */
    public Panel cell(String colour, double fromX, double toX, double fromY, double toY) {
      drawn.append(
          format(
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>%n",
              across(fromX),
              up(toY),
              across(toX) - across(fromX) + .3,
              up(fromY) - up(toY) + .3,
              colour));
      return this;
    }

    private String finished(int right, int down) {
      StringBuilder all = new StringBuilder();
      all.append(format("<g transform=\"translate(%d %d)\">%n", right, down));
      all.append(drawn);
      all.append(
          format(
              "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#444\"/>"
                  + "%n<g font-weight=\"bold\">%s</g>%n",
              LEFT, TOP, WIDTH, HEIGHT, text(LEFT, TOP - 10, "start", title)));
      for (int i = 0; i < TICKS; i++) {
        double share = (double) i / (TICKS - 1);
        String anchor = i == 0 ? "start" : i == TICKS - 1 ? "end" : "middle";
        all.append(
            text(LEFT + WIDTH * share, TOP + HEIGHT + 15, anchor, format("%.3g", x.at(share))));
        all.append(
            text(LEFT - 5, TOP + HEIGHT * (1 - share) + 4, "end", format("%.3g", y.at(share))));
      }
      all.append(text(LEFT + WIDTH / 2.0, TOP + HEIGHT + 30, "middle", x.title()));
      all.append(
          format(
              "<text transform=\"translate(12 %d) rotate(-90)\" text-anchor=\"middle\">%s</text>%n",
              TOP + HEIGHT / 2, escaped(y.title())));
      return all.append("</g>\n").toString();
    }
  }
}
