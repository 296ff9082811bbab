// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/** Lines, or bars, over one axis; they are added one by one. */
public final class Chart {
  /**
   * @param colour index of its colour, the same for a method in every picture; negative for dashed
   *     lines, which belong to no method
   * @param deviations whiskers of bars; empty for none
   */
  record Series(String name, int colour, List<Double> x, List<Double> y, List<Double> deviations) {}

  final String file;
  final String text;
  final String title;
  final String x;
  final String y;
  final List<Series> series = new ArrayList<>();
  List<String> names = List.of();
  Double low;
  Double high;

  /**
   * @param file name of its picture, without ending
   * @param text what it shows, in words
   * @param x title of the axis; empty for bars
   */
  public Chart(String file, String text, String title, String x, String y) {
    this.file = file;
    this.text = text;
    this.title = title;
    this.x = x;
    this.y = y;
  }

  /** Adds a line, dashed when the colour is negative. */
  public Chart line(String name, int colour, List<Double> at, List<Double> values) {
    series.add(new Series(name, colour, at, values, List.of()));
    return this;
  }

  /** Adds bars with their deviations, or without any. */
  public Chart bars(String name, List<Double> values, List<Double> deviations) {
    series.add(new Series(name, 0, List.of(), values, deviations));
    return this;
  }

  /** Names of the bars, or of the places 0, 1, ... of the axis of x. */
  public Chart named(List<String> places) {
    names = places;
    return this;
  }

  /** How many lines there are. */
  public int lines() {
    return series.size();
  }

  /**
   * Ends of the axis of y.
   *
   * @param to null for where the values end
   */
  public Chart limits(double from, Double to) {
    low = from;
    high = to;
    return this;
  }

  /** {@code from, from + 1, ...}, n of them. */
  public static List<Double> places(double from, int n) {
    return DoubleStream.iterate(from, at -> at + 1).limit(n).boxed().toList();
  }

  /** Fractions in percent. */
  public static List<Double> percent(List<Double> fractions) {
    return fractions.stream().map(fraction -> 100 * fraction).toList();
  }
}
