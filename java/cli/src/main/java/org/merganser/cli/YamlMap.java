// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/** A mapping of a YAML file, read key by key; what is wrong is told with its place. */
final class YamlMap {
  private static final int MOST_NODES = 100_000;

  /** What all mappings of a file share. */
  static final class Context {
    private final YamlFile file;
    private final Map<String, Optional<Mark>> places = new LinkedHashMap<>();
    private int nodes;

    Context(YamlFile file) {
      this.file = file;
    }

    /** Keeps where the value of a path stands; anchors may lead to one node many times. */
    private void visit(String path, Node node) {
      places.put(path, node.getStartMark());
      if (++nodes > MOST_NODES) {
        throw at(node, "more values than any recipe has, through aliases");
      }
    }

    RecipeException at(Node node, String problem) {
      return new RecipeException(file.place(node.getStartMark()), problem);
    }

    /** The error of a path, with the place in the file of its nearest known part. */
    RecipeException located(RecipeException e) {
      String path = e.place();
      while (!path.isEmpty() && !places.containsKey(path)) {
        path =
            path.substring(0, Math.max(0, Math.max(path.lastIndexOf('.'), path.lastIndexOf('['))));
      }
      String place = file.place(places.getOrDefault(path, Optional.empty()));
      return new RecipeException(place, e.problem(), e);
    }
  }

  private final Context context;
  private final String path;
  private final Node node;
  private final Map<String, Node> values = new LinkedHashMap<>();
  private final Map<String, Node> keys = new LinkedHashMap<>();

  /**
   * @param path of the mapping in the recipe
   */
  YamlMap(Context context, String path, Node node) {
    this.context = context;
    this.path = path;
    this.node = node;
    context.visit(path, node);
    if (!(node instanceof MappingNode mapping)) {
      throw context.at(node, what() + " must be a mapping, KEY: VALUE, not " + kind(node));
    }
    for (NodeTuple tuple : mapping.getValue()) {
      if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
        throw context.at(
            tuple.getKeyNode(), "a key must be a name, not " + kind(tuple.getKeyNode()));
      }
      if (keys.put(key.getValue(), key) != null) {
        throw context.at(key, "key " + Names.quote(key.getValue()) + " is here twice");
      }
      values.put(key.getValue(), tuple.getValueNode());
    }
  }

  private String what() {
    return path.isEmpty() ? "a recipe" : path;
  }

  List<String> names() {
    return List.copyOf(values.keySet());
  }

  /**
   * Refuses other keys than those.
   *
   * @param refused keys that exist elsewhere, with the reason why they are not read
   */
  void allow(List<String> known, Map<String, String> refused) {
    keys.forEach(
        (name, key) -> {
          if (refused.containsKey(name)) {
            throw context.at(key, name + ": " + refused.get(name));
          }
          if (!known.contains(name)) {
            throw context.at(
                key, "unknown key " + Names.quote(name) + "; " + Names.instead(name, known));
          }
        });
  }

  private String path(String key) {
    return path.isEmpty() ? key : path + "." + key;
  }

  /** The value of a key; empty when it is not there, or null. */
  private Optional<Node> node(String key) {
    Node value = values.get(key);
    if (value == null || value instanceof ScalarNode scalar && isNull(scalar)) {
      return Optional.empty();
    }
    return Optional.of(value);
  }

  <T> T required(String key, BiFunction<String, Node, T> read) {
    return optional(key, read)
        .orElseThrow(() -> context.at(node, (path.isEmpty() ? "" : what() + ": ") + "no " + key));
  }

  <T> Optional<T> optional(String key, BiFunction<String, Node, T> read) {
    return node(key).map(value -> read(path(key), value, read));
  }

  private <T> T read(String at, Node value, BiFunction<String, Node, T> read) {
    context.visit(at, value);
    return read.apply(at, value);
  }

  static boolean isList(Node value) {
    return value instanceof SequenceNode;
  }

  /** The items of a list; none when the key is not there. */
  <T> List<T> list(String key, BiFunction<String, Node, T> read) {
    return node(key).map(value -> list(path(key), value, read)).orElse(List.of());
  }

  <T> List<T> list(String at, Node value, BiFunction<String, Node, T> read) {
    context.visit(at, value);
    if (!(value instanceof SequenceNode sequence)) {
      throw context.at(value, at + " must be a list, not " + kind(value));
    }
    if (sequence.getValue().isEmpty()) {
      throw context.at(value, at + " is an empty list");
    }
    List<T> items = new ArrayList<>();
    for (int i = 0; i < sequence.getValue().size(); i++) {
      items.add(read(at + "[" + i + "]", sequence.getValue().get(i), read));
    }
    return items;
  }

  YamlMap map(String at, Node value) {
    return new YamlMap(context, at, value);
  }

  /** A text; numbers and truth values that stand for one are taken as they are written. */
  String text(String at, Node value) {
    if (value instanceof ScalarNode scalar && !isNull(scalar)) {
      return scalar.getValue();
    }
    throw context.at(value, at + " must be a text, not " + kind(value));
  }

  /** One of some texts. */
  String choice(String at, Node value, List<String> known) {
    String text = text(at, value);
    if (!known.contains(text)) {
      throw context.at(
          value, at + " cannot be " + Names.quote(text) + "; " + Names.instead(text, known));
    }
    return text;
  }

  int integer(String at, Node value) {
    Object number = scalar(at, value);
    if (number instanceof Double d && d == Math.rint(d) && Math.abs(d) <= Integer.MAX_VALUE) {
      return d.intValue();
    }
    throw context.at(value, at + " must be an integer, not " + Names.quote(text(at, value)));
  }

  /** A number, truth value or text; yes, no, on and off are truth values as in YAML 1.1. */
  Object scalar(String at, Node value) {
    if (!(value instanceof ScalarNode scalar) || isNull(scalar)) {
      throw context.at(value, at + " must be a number, truth value or text, not " + kind(value));
    }
    String text = scalar.getValue();
    if (scalar.getScalarStyle() != ScalarStyle.PLAIN) {
      return text;
    }
    if (text.matches("(?i)true|yes|on")) {
      return true;
    }
    if (text.matches("(?i)false|no|off")) {
      return false;
    }
    if (text.length() < 64 && text.matches("[-+]?(\\.\\d+|\\d+(\\.\\d*)?)([eE][-+]?\\d+)?")) {
      double number = Double.parseDouble(text);
      if (Double.isInfinite(number)) {
        throw context.at(value, at + ": " + text + " is beyond the range of numbers");
      }
      return number;
    }
    return text;
  }

  RecipeException at(Node value, String problem) {
    return context.at(value, problem);
  }

  static boolean isNull(ScalarNode scalar) {
    return scalar.getScalarStyle() == ScalarStyle.PLAIN
        && scalar.getValue().matches("|~|null|Null|NULL");
  }

  private static String kind(Node node) {
    if (node instanceof SequenceNode) {
      return "a list";
    }
    if (node instanceof ScalarNode scalar) {
      return isNull(scalar) ? "nothing" : Names.quote(scalar.getValue());
    }
    return "a mapping";
  }
}
