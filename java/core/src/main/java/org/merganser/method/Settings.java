// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/**
 * The settings of a method: its record of options, read. Every component is a {@link Setting}: a
 * number, a truth value, a constant of an enum, a text or path, a list of them, or one of them that
 * may be absent. A component that is a record brings its own; one of a sealed interface of records
 * is a choice among them, and brings those of the chosen one, which has static {@code defaults()}.
 *
 * <p>In text a setting is {@code name=value}, with lower-case names ({@code eval-every}), the items
 * of a list divided by colons, settings by commas: {@code gamma=0.1,unit=absolute}.
 *
 * @param <O> the record
 */
public final class Settings<O extends Record> {
  private static final String SEPARATOR = ",";

  private final O defaults;

  private Settings(O defaults) {
    this.defaults = defaults;
  }

  /** Of a record with the defaults. */
  public static <O extends Record> Settings<O> of(O defaults) {
    return new Settings<>(defaults);
  }

  /** What unset settings are. */
  public O defaults() {
    return defaults;
  }

  /**
   * One setting, for tables.
   *
   * @param type {@code number}, {@code integer}, {@code text}, {@code path}, {@code numbers} and
   *     the like, or the constants
   * @param list whether there may be several
   * @param range of numbers, as in messages; empty for all finite ones
   * @param initial its default; empty for an empty list and what is absent
   * @param varies whether tensors and layers may have values of their own
   * @param with the choice that it takes, {@code optimizer=sgd}; empty where it may be set anyway
   */
  public record Entry(
      String name,
      String type,
      boolean list,
      String range,
      String initial,
      String help,
      boolean varies,
      String with) {
    /** The values, where they are constants; else none. */
    public List<String> constants() {
      return type.contains(", ") ? List.of(type.split(", ")) : List.of();
    }

    /** As it is typed, with its default. */
    @Override
    public String toString() {
      return name + "=" + initial + (with.isEmpty() ? "" : " with " + with);
    }
  }

  /** In order of the record; of a choice those of all its records. */
  public List<Entry> entries() {
    Map<String, Entry> entries = new LinkedHashMap<>();
    collect(defaults, "", entries);
    return List.copyOf(entries.values());
  }

  private static void collect(Record options, String with, Map<String, Entry> entries) {
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      Class<?> type = component.getType();
      Object value = Components.value(options, component);
      if (type.isRecord()) {
        collect((Record) value, with, entries);
        continue;
      }
      Setting setting = component.getAnnotation(Setting.class);
      String name = Components.name(component);
      entries.putIfAbsent(
          name,
          new Entry(
              name,
              Values.type(component.getGenericType()),
              type == List.class,
              Range.of(setting).text(),
              Values.text(value),
              setting.value(),
              setting.varies(),
              with));
      if (Values.isChoice(type)) {
        collect((Record) value, with, entries);
        for (Class<?> choice : type.getPermittedSubclasses()) {
          collect(Components.defaults(choice), name + "=" + Values.name(choice), entries);
        }
      }
    }
  }

  /** Whether there is a setting of that name. */
  public boolean has(String name) {
    return entries().stream().anyMatch(entry -> entry.name().equals(name));
  }

  /**
   * The defaults, but for what the text sets.
   *
   * @param method for messages
   * @throws IllegalArgumentException when a name is unknown or given twice, or a value no value of
   *     its setting
   */
  public O parse(String method, String text) {
    Map<String, String> given = new LinkedHashMap<>();
    if (!text.isEmpty()) {
      for (String part : text.split(SEPARATOR, -1)) {
        int equals = part.indexOf('=');
        if (equals < 1) {
          throw new IllegalArgumentException(
              method + ": '" + part + "' is no setting; write NAME=VALUE" + known(defaults));
        }
        if (given.put(part.substring(0, equals), part.substring(equals + 1)) != null) {
          throw new IllegalArgumentException(
              method + ": " + part.substring(0, equals) + " is set twice");
        }
      }
    }
    return parse(method, given);
  }

  /**
   * The same from names and texts of values.
   *
   * @param method for messages; empty for none in them
   */
  public O parse(String method, Map<String, String> given) {
    for (String name : given.keySet()) {
      if (!has(name)) {
        throw unknown(method, name, defaults);
      }
    }
    Map<String, String> left = new LinkedHashMap<>(given);
    O options;
    try {
      options = read(defaults, left);
      check(options);
    } catch (IllegalArgumentException e) {
      if (method.isEmpty()) {
        throw e;
      }
      throw new IllegalArgumentException(method + ": " + e.getMessage(), e);
    }
    if (!left.isEmpty()) {
      throw unknown(method, left.keySet().iterator().next(), options);
    }
    return options;
  }

  private static IllegalArgumentException unknown(String method, String name, Record options) {
    return new IllegalArgumentException(
        options.getClass().getRecordComponents().length == 0
            ? method + " has no settings, so no '" + name + "'; drop it"
            : method + " has no setting '" + name + "'" + known(options));
  }

  private static String known(Record options) {
    List<String> names = names(options);
    return names.isEmpty() ? "" : "; it has " + String.join(", ", names);
  }

  private static List<String> names(Record options) {
    List<String> names = new ArrayList<>();
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      if (!component.getType().isRecord()) {
        names.add(Components.name(component));
      }
      if (Components.value(options, component) instanceof Record nested) {
        names.addAll(names(nested));
      }
    }
    return names;
  }

  /** Options with what is given, which is taken out. */
  private static <R extends Record> R read(R options, Map<String, String> given) {
    RecordComponent[] components = options.getClass().getRecordComponents();
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      Class<?> type = components[i].getType();
      Object value = Components.value(options, components[i]);
      String text = type.isRecord() ? null : given.remove(Components.name(components[i]));
      if (Values.isChoice(type)) {
        Record chosen = text == null ? (Record) value : choice(components[i], value, text);
        values[i] = read(chosen, given);
      } else if (type.isRecord()) {
        values[i] = read((Record) value, given);
      } else {
        values[i] =
            text == null
                ? value
                : Values.parse(
                    Components.name(components[i]), components[i].getGenericType(), text);
      }
    }
    return Components.construct(options, values);
  }

  private static Record choice(RecordComponent component, Object present, String text) {
    if (Values.name(present.getClass()).equals(text)) {
      return (Record) present;
    }
    for (Class<?> choice : component.getType().getPermittedSubclasses()) {
      if (Values.name(choice).equals(text)) {
        return Components.defaults(choice);
      }
    }
    throw new IllegalArgumentException(
        Components.name(component)
            + " must be one of "
            + Values.type(component.getType())
            + ", not '"
            + text
            + "'");
  }

  /**
   * Names and values of options for files: numbers, truth values, texts and lists of them. What is
   * absent is left out.
   */
  public static Map<String, Object> values(Record options) {
    Map<String, Object> values = new LinkedHashMap<>();
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      Object value = Components.value(options, component);
      if (!component.getType().isRecord()) {
        Values.plain(value).ifPresent(plain -> values.put(Components.name(component), plain));
      }
      if (value instanceof Record nested) {
        values.putAll(values(nested));
      }
    }
    return values;
  }

  /** Options as {@link #parse} reads them, less what is as in the defaults. */
  public String text(O options) {
    Map<String, Object> other = values(options);
    other.entrySet().removeAll(values(defaults).entrySet());
    return text(other);
  }

  /** Options as {@link #parse} reads them, all of them but empty lists and what is absent. */
  public static String full(Record options) {
    Map<String, Object> values = values(options);
    values.values().removeIf(value -> Values.text(value).isEmpty());
    return text(values);
  }

  private static String text(Map<String, Object> values) {
    return values.entrySet().stream()
        .map(value -> value.getKey() + "=" + Values.text(value.getValue()))
        .collect(Collectors.joining(SEPARATOR));
  }

  /** The defaults with one setting changed, by its name in text and its value or text. */
  public O with(String name, Object value) {
    return parse("", Map.of(name, Values.text(value)));
  }

  /**
   * A copy with one component changed, for the {@code withX} of options.
   *
   * @param component its name in Java
   */
  public static <R extends Record> R with(R options, String component, Object value) {
    RecordComponent[] components = options.getClass().getRecordComponents();
    Object[] values = new Object[components.length];
    boolean found = false;
    for (int i = 0; i < components.length; i++) {
      boolean changed = components[i].getName().equals(component);
      values[i] = changed ? value : Components.value(options, components[i]);
      found |= changed;
    }
    if (!found) {
      throw new IllegalStateException(options.getClass().getName() + " has no " + component);
    }
    return Components.construct(options, values);
  }

  /**
   * Holds numbers to the bounds of their settings; for constructors of options.
   *
   * @param values of all components, in order
   * @throws IllegalArgumentException naming setting, bounds and value
   */
  public static void check(Class<? extends Record> options, Object... values) {
    RecordComponent[] components = options.getRecordComponents();
    if (components.length != values.length) {
      throw new IllegalStateException(
          options.getName() + " has " + components.length + " settings, not " + values.length);
    }
    for (int i = 0; i < values.length; i++) {
      check(components[i], values[i]);
    }
  }

  /** The same for options, and records in them, whose constructors do not. */
  public static void check(Record options) {
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      Object value = Components.value(options, component);
      check(component, value);
      if (value instanceof Record part) {
        check(part);
      }
    }
  }

  private static void check(RecordComponent component, Object value) {
    String name = Components.name(component);
    if (value == null) {
      throw new IllegalArgumentException(name + " must not be null");
    }
    Setting setting = component.getAnnotation(Setting.class);
    if (setting != null) {
      Range range = Range.of(setting);
      numbers(value).forEach(number -> range.check(name, number));
    }
  }

  private static List<Number> numbers(Object value) {
    List<Number> numbers = new ArrayList<>();
    if (value instanceof Number number) {
      numbers.add(number);
    } else if (value instanceof OptionalInt number) {
      number.ifPresent(numbers::add);
    } else if (value instanceof Optional<?> optional) {
      optional.ifPresent(present -> numbers.addAll(numbers(present)));
    } else if (value instanceof List<?> list) {
      list.forEach(item -> numbers.addAll(numbers(item)));
    }
    return numbers;
  }
}
