// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.merganser.internal.kernel.Natives;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * One line of the file of bounds: {@code form | pair | ours | against | parameters | bound |
 * reason}.
 *
 * <p>The rate of {@code ours} over that of {@code against}, in one run and by the same count of
 * work, must be at least {@code bound}. Both are {@code Class.method}; both get those of the
 * parameters that they have, one thread unless {@code threads} says otherwise. A bound may be
 * followed by that of a lower level of instructions: {@code 75 avx2=42}.
 */
record Bound(
    boolean shortForm,
    String pair,
    String ours,
    String against,
    Map<String, String> parameters,
    double bound,
    String reason) {
  private static final String COMMITTED = "guard-bounds.txt";
  private static final int COLUMNS = 7;

  /** The bounds in the jar. */
  static List<Bound> committed() throws IOException {
    try (InputStream in = Bound.class.getResourceAsStream(COMMITTED)) {
      if (in == null) {
        throw new UsageException("the jar holds no " + COMMITTED + "; build it again");
      }
      return parse(COMMITTED, new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  static List<Bound> read(Path file) throws IOException {
    try {
      return parse(file.toString(), Files.readString(file));
    } catch (NoSuchFileException e) {
      throw new UsageException("no file of bounds at " + file, e);
    }
  }

  /** Empty lines and those that begin with # mean nothing. */
  static List<Bound> parse(String name, String text) {
    return parse(name, text, Natives.isa());
  }

  /** For our kernels of a level of instructions. */
  static List<Bound> parse(String name, String text, String level) {
    List<Bound> bounds = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    int number = 0;
    for (String line : text.split("\n")) {
      number++;
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      try {
        Bound bound = parseLine(line, level);
        if (!seen.add(bound.shortForm + bound.pair)) {
          throw new UsageException("a second bound of " + bound.pair);
        }
        bounds.add(bound);
      } catch (UsageException e) {
        throw new UsageException(name + ":" + number + ": " + e.getMessage(), e);
      }
    }
    if (bounds.isEmpty()) {
      throw new UsageException(name + ": no bounds");
    }
    return bounds;
  }

  private static Bound parseLine(String line, String level) {
    String[] cells = line.split("\\|", -1);
    if (cells.length != COLUMNS) {
      throw new UsageException(cells.length + " columns, not " + COLUMNS);
    }
    for (int k = 0; k < cells.length; k++) {
      cells[k] = cells[k].strip();
      if (cells[k].isEmpty()) {
        throw new UsageException("column " + (k + 1) + " is empty");
      }
    }
    if (!cells[0].equals("short") && !cells[0].equals("full")) {
      throw new UsageException("form \"" + cells[0] + "\" is neither short nor full");
    }
    boolean shortForm = cells[0].equals("short");
    double bound = bound(cells[5].split("\\s+"), level);
    return new Bound(
        shortForm, cells[1], cells[2], cells[3], parameters(cells[4]), bound, cells[6]);
  }

  private static double bound(String[] words, String level) {
    double bound = positive(words[0]);
    for (int k = 1; k < words.length; k++) {
      String[] sides = words[k].split("=", -1);
      if (sides.length != 2) {
        throw new UsageException("bound \"" + words[k] + "\" is not level=bound");
      }
      double lower = positive(sides[1]);
      bound = sides[0].equals(level) ? lower : bound;
    }
    return bound;
  }

  private static double positive(String text) {
    try {
      double value = Double.parseDouble(text);
      if (value > 0 && value < Double.POSITIVE_INFINITY) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new UsageException("bound \"" + text + "\" is no positive number");
  }

  private static Map<String, String> parameters(String text) {
    Map<String, String> result = new TreeMap<>(Map.of("threads", "1"));
    for (String each : text.split("\\s+")) {
      String[] sides = each.split("=", -1);
      if (sides.length != 2 || sides[0].isEmpty() || sides[1].isEmpty()) {
        throw new UsageException("parameter \"" + each + "\" is not name=value");
      }
      result.put(sides[0], sides[1]);
    }
    return result;
  }

  /**
   * That both benchmarks exist and each parameter belongs to one of them; JMH would ignore it
   * otherwise.
   */
  void check() {
    Set<String> known = new TreeSet<>(parametersOf(ours));
    known.addAll(parametersOf(against));
    for (String name : parameters.keySet()) {
      if (!known.contains(name)) {
        throw new UsageException(pair + ": no parameter " + name + "; known: " + known);
      }
    }
  }

  private Set<String> parametersOf(String benchmark) {
    String[] names = benchmark.split("\\.");
    try {
      Class<?> type = Class.forName(Bound.class.getPackageName() + "." + names[0]);
      if (names.length == 2 && Arrays.stream(type.getMethods()).anyMatch(is(names[1]))) {
        Set<String> result = new HashSet<>();
        for (Class<?> at = type; at != Object.class; at = at.getSuperclass()) {
          for (Field field : at.getDeclaredFields()) {
            if (field.isAnnotationPresent(Param.class)) {
              result.add(field.getName());
            }
          }
        }
        return result;
      }
    } catch (ClassNotFoundException e) {
      // Said below.
    }
    throw new UsageException(pair + ": no benchmark " + benchmark);
  }

  private static Predicate<Method> is(String name) {
    return each -> each.getName().equals(name) && each.isAnnotationPresent(Benchmark.class);
  }

  /** The parameters as the file has them, without the number of threads. */
  String size() {
    return text(parameters);
  }

  static String text(Map<String, String> parameters) {
    return parameters.entrySet().stream()
        .filter(each -> !each.getKey().equals("threads"))
        .map(each -> each.getKey() + "=" + each.getValue())
        .collect(Collectors.joining(" "));
  }
}
