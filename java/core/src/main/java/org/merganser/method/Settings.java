// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The settings of a method: its record of options, read. Components are numbers, truth values,
 * constants of an enum, texts, and lists of numbers; every one is a {@link Setting}.
 *
 * <p>In text a setting is {@code name=value}, with lower-case names ({@code eval-every}), the items
 * of a list divided by colons, settings by commas: {@code gamma=0.1,unit=absolute}.
 *
 * @param <O> the record
 */
public final class Settings<O extends Record> {
  private static final String SEPARATOR = ",";
  private static final String ITEMS = ":";

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
   * @param type {@code number}, {@code integer}, {@code text}, {@code numbers}, or the constants
   * @param range of numbers, as in messages; empty for all finite ones
   * @param initial its default, empty for an empty list
   * @param varies whether tensors and layers may have values of their own
   */
  public record Entry(
      String name, String type, String range, String initial, String help, boolean varies) {}

  /** In order of the record. */
  public List<Entry> entries() {
    List<Entry> entries = new ArrayList<>();
    for (RecordComponent component : defaults.getClass().getRecordComponents()) {
      Setting setting = component.getAnnotation(Setting.class);
      entries.add(
          new Entry(
              name(component),
              type(component.getType()),
              Range.of(setting).text(),
              text(value(defaults, component)),
              setting.value(),
              setting.varies()));
    }
    return entries;
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
              method + ": '" + part + "' is no setting; write NAME=VALUE" + known());
        }
        if (given.put(part.substring(0, equals), part.substring(equals + 1)) != null) {
          throw new IllegalArgumentException(
              method + ": " + part.substring(0, equals) + " is set twice");
        }
      }
    }
    return with(method, defaults, given);
  }

  /**
   * Options with some settings changed.
   *
   * @param given texts of values by name
   */
  public O with(String method, O options, Map<String, String> given) {
    RecordComponent[] components = defaults.getClass().getRecordComponents();
    List<String> names = Arrays.stream(components).map(Settings::name).toList();
    for (String name : given.keySet()) {
      if (!names.contains(name)) {
        throw new IllegalArgumentException(
            names.isEmpty()
                ? method + " has no settings, so no '" + name + "'; drop it"
                : method + " has no setting '" + name + "'" + known());
      }
    }
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      String text = given.get(names.get(i));
      values[i] =
          text == null
              ? value(options, components[i])
              : read(method, names.get(i), components[i], text);
    }
    try {
      return construct(components, values);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(method + ": " + e.getMessage(), e);
    }
  }

  private String known() {
    List<Entry> entries = entries();
    return entries.isEmpty()
        ? ""
        : "; it has " + entries.stream().map(Entry::name).collect(Collectors.joining(", "));
  }

  /** Names and values of options for files: numbers, truth values, texts, lists of numbers. */
  public static Map<String, Object> values(Record options) {
    Map<String, Object> values = new LinkedHashMap<>();
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      Object value = value(options, component);
      values.put(name(component), value instanceof Enum<?> constant ? name(constant) : value);
    }
    return values;
  }

  /** Options as {@link #parse} reads them, less those that are as in {@code defaults}. */
  public String text(O options) {
    List<String> parts = new ArrayList<>();
    for (RecordComponent component : defaults.getClass().getRecordComponents()) {
      Object value = value(options, component);
      if (!value.equals(value(defaults, component))) {
        parts.add(name(component) + "=" + text(value));
      }
    }
    return String.join(SEPARATOR, parts);
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
      Range range = Range.of(components[i].getAnnotation(Setting.class));
      String name = name(components[i]);
      if (values[i] instanceof Number number) {
        range.check(name, number);
      } else if (values[i] instanceof List<?> list) {
        list.forEach(item -> range.check(name, (Number) item));
      } else if (values[i] == null) {
        throw new IllegalArgumentException(name + " must not be null");
      }
    }
  }

  private static String name(RecordComponent component) {
    return component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static String type(Class<?> type) {
    if (type == double.class) {
      return "number";
    }
    if (type == int.class || type == long.class) {
      return "integer";
    }
    if (type == boolean.class) {
      return "true, false";
    }
    if (type.isEnum()) {
      return Arrays.stream(type.getEnumConstants())
          .map(constant -> name((Enum<?>) constant))
          .collect(Collectors.joining(", "));
    }
    return type == List.class ? "numbers" : "text";
  }

  private static String text(Object value) {
    if (value instanceof Enum<?> constant) {
      return name(constant);
    }
    if (value instanceof Double number && number == Math.rint(number) && Math.abs(number) < 1e15) {
      return String.valueOf(number.longValue());
    }
    return value instanceof List<?> list
        ? list.stream().map(Settings::text).collect(Collectors.joining(ITEMS))
        : String.valueOf(value);
  }

  private static Object read(String method, String name, RecordComponent component, String text) {
    Class<?> type = component.getType();
    try {
      if (type == double.class) {
        return Double.parseDouble(text);
      }
      if (type == long.class) {
        return Long.parseLong(text);
      }
      if (type == int.class) {
        return Integer.parseInt(text);
      }
      if (type == List.class) {
        return Arrays.stream(text.isEmpty() ? new String[0] : text.split(ITEMS, -1))
            .map(Double::parseDouble)
            .toList();
      }
    } catch (NumberFormatException e) {
      String kind =
          type == double.class ? "a number" : type == List.class ? "numbers" : "an integer";
      throw new IllegalArgumentException(
          method + ": " + name + " must be " + kind + ", not '" + text + "'", e);
    }
    if (type == String.class) {
      return text;
    }
    Object[] constants =
        type.isEnum() ? type.getEnumConstants() : new Object[] {Boolean.TRUE, Boolean.FALSE};
    for (Object constant : constants) {
      if (text(constant).equals(text)) {
        return constant;
      }
    }
    throw new IllegalArgumentException(
        method + ": " + name + " must be one of " + type(type) + ", not '" + text + "'");
  }

  private static Object value(Record options, RecordComponent component) {
    try {
      return component.getAccessor().invoke(options);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(options.getClass() + " must be public", e);
    }
  }

  @SuppressWarnings("unchecked")
  private O construct(RecordComponent[] components, Object[] values) {
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      return (O) defaults.getClass().getDeclaredConstructor(types).newInstance(values);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof IllegalArgumentException refused) {
        throw refused;
      }
      throw new IllegalStateException(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(defaults.getClass() + " must be public", e);
    }
  }
}
