// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.regex.Pattern;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/**
 * What a {@link SampleStore} will hold when it is complete.
 *
 * @param width P, numbers of a sample
 * @param columns of the table, in order
 * @param trajectories names, in order: letters, digits, dots and hyphens
 * @param rows samples of each trajectory
 * @param recipe everything that the samples depend on, as a text; another one is another store
 */
public record SamplePlan(
    long width, List<String> columns, List<String> trajectories, int rows, String recipe) {
  private static final String FIRST = "merganser samples 1";
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9.-]{0,99}");

  public SamplePlan {
    columns = List.copyOf(columns);
    trajectories = List.copyOf(trajectories);
    if (width < 1 || rows < 1 || columns.isEmpty() || trajectories.isEmpty()) {
      throw new IllegalArgumentException(
          "samples of %d numbers, %d columns, %d trajectories of %d; each must be 1 or more"
              .formatted(width, columns.size(), trajectories.size(), rows));
    }
    requireNames("column", columns);
    requireNames("trajectory", trajectories);
  }

  private static void requireNames(String what, List<String> names) {
    for (String name : names) {
      if (!NAME.matcher(name).matches()) {
        throw new IllegalArgumentException(
            "%s %s: a name is made of letters, digits, dots and hyphens"
                .formatted(what, Names.quote(name)));
      }
    }
    if (new HashSet<>(names).size() < names.size()) {
      throw new IllegalArgumentException("a %s twice: %s".formatted(what, names));
    }
  }

  /** As it is written. */
  String text() {
    StringBuilder text = new StringBuilder(FIRST + "\nwidth " + width + "\nrows " + rows);
    columns.forEach(name -> text.append("\ncolumn ").append(name));
    trajectories.forEach(name -> text.append("\ntrajectory ").append(name));
    return text.append("\nrecipe\n").append(recipe).toString();
  }

  /**
   * @param where names the file in the message
   */
  static SamplePlan parse(String where, String text) {
    Iterator<String> lines = text.lines().iterator();
    if (!lines.hasNext() || !lines.next().equals(FIRST)) {
      throw new FormatException(where + ": no list of samples (it does not begin '" + FIRST + "')");
    }
    long width = 0;
    int rows = 0;
    List<String> columns = new ArrayList<>();
    List<String> trajectories = new ArrayList<>();
    while (lines.hasNext()) {
      String line = lines.next();
      String value = line.substring(line.indexOf(' ') + 1);
      try {
        switch (line.substring(0, line.length() - value.length()).trim()) {
          case "width" -> width = Long.parseLong(value);
          case "rows" -> rows = Integer.parseInt(value);
          case "column" -> columns.add(value);
          case "trajectory" -> trajectories.add(value);
          default -> {
            if (!line.equals("recipe")) {
              throw new FormatException(where + ": unknown line " + Names.quote(line));
            }
            int recipe = text.indexOf("\nrecipe\n");
            if (recipe < 0) {
              throw new FormatException(where + ": no end of the line recipe; it is truncated");
            }
            return new SamplePlan(
                width, columns, trajectories, rows, text.substring(recipe + "\nrecipe\n".length()));
          }
        }
      } catch (IllegalArgumentException e) {
        throw new FormatException(where + ": " + e.getMessage(), e);
      }
    }
    throw new FormatException(where + ": no recipe; it is truncated");
  }

  /** The first line that differs, for messages. */
  String differs(SamplePlan other) {
    List<String> own = text().lines().toList();
    List<String> others = other.text().lines().toList();
    for (int i = 0; i < Math.max(own.size(), others.size()); i++) {
      String a = i < own.size() ? own.get(i) : "nothing";
      String b = i < others.size() ? others.get(i) : "nothing";
      if (!a.equals(b)) {
        return "%s there, %s now".formatted(Names.quote(b), Names.quote(a));
      }
    }
    return "they end otherwise";
  }
}
