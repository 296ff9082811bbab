// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The settings of a method or experiment: its record of options, read. Components are numbers,
 * truth values, constants of an enum, texts and paths, optional ones, and lists of them; every one
 * is a {@link Setting}. A component that is a record has settings of its own, which belong to the
 * whole.
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
   * One setting, for tables and command lines.
   *
   * @param type {@code number}, {@code integer}, {@code text}, {@code path}, their plurals for
   *     lists, or the constants
   * @param item class of one value
   * @param list whether there may be several
   * @param range of numbers, as in messages; empty for all finite ones
   * @param initial its default, empty for none and an empty list
   * @param varies whether tensors and layers may have values of their own
   */
  public record Entry(
      String name,
      String type,
      Class<?> item,
      boolean list,
      String range,
      String initial,
      String help,
      boolean varies) {}

  /** In order of the record. */
  public List<Entry> entries() {
    List<Entry> entries = new ArrayList<>();
    visit(
        defaults,
        (component, value) -> {
          Setting setting = component.getAnnotation(Setting.class);
          SettingType type = SettingType.of(component);
          entries.add(
              new Entry(
                  name(component),
                  type.words(),
                  type.item(),
                  type.count() == SettingType.Count.LIST,
                  Range.of(setting).text(),
                  SettingType.text(value),
                  setting.value(),
                  setting.varies()));
        });
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
   * @param method for messages; empty for none in them
   * @param given values by name: texts, lists of the texts of items, or numbers and constants
   */
  public O with(String method, O options, Map<String, ?> given) {
    for (String name : given.keySet()) {
      if (!has(name)) {
        throw new IllegalArgumentException(
            entries().isEmpty()
                ? method + " has no settings, so no '" + name + "'; drop it"
                : method + " has no setting '" + name + "'" + known());
      }
    }
    try {
      O changed = construct(options, given);
      check(changed);
      return changed;
    } catch (IllegalArgumentException e) {
      throw method.isEmpty() ? e : new IllegalArgumentException(method + ": " + e.getMessage(), e);
    }
  }

  /** Options with one setting changed, as {@link #with(String, Record, Map)}. */
  public static <O extends Record> O with(O options, String name, Object value) {
    return of(options).with("", options, Map.of(name, value));
  }

  private String known() {
    List<Entry> entries = entries();
    return entries.isEmpty()
        ? ""
        : "; it has " + entries.stream().map(Entry::name).collect(Collectors.joining(", "));
  }

  /**
   * Names and values of options for files: numbers, truth values, texts and lists of them, optional
   * ones where they are there.
   */
  public static Map<String, Object> values(Record options) {
    Map<String, Object> values = new LinkedHashMap<>();
    visit(
        options,
        (component, value) -> {
          List<Object> items = new ArrayList<>();
          for (Object item : SettingType.items(value)) {
            items.add(
                item instanceof Enum<?> || item instanceof Path ? SettingType.text(item) : item);
          }
          if (value instanceof List<?>) {
            values.put(name(component), items);
          } else if (!items.isEmpty()) {
            values.put(name(component), items.get(0));
          }
        });
    return values;
  }

  /** Options as {@link #parse} reads them, less those that are as in {@code defaults}. */
  public String text(O options) {
    Map<String, Object> usual = new LinkedHashMap<>();
    visit(defaults, (component, value) -> usual.put(name(component), value));
    List<String> parts = new ArrayList<>();
    visit(
        options,
        (component, value) -> {
          if (!value.equals(usual.get(name(component)))) {
            parts.add(name(component) + "=" + SettingType.text(value));
          }
        });
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
      check(components[i], values[i]);
    }
  }

  /**
   * Holds numbers of options, and of records in them, to the bounds of their settings; for those
   * who take options that were not checked by their constructors.
   *
   * @throws IllegalArgumentException naming setting, bounds and value
   */
  public static void check(Record options) {
    visit(options, Settings::check);
  }

  private static void check(RecordComponent component, Object value) {
    String name = name(component);
    if (value == null) {
      throw new IllegalArgumentException(name + " must not be null");
    }
    for (Object item : SettingType.items(value)) {
      if (item instanceof Number number) {
        Range.of(component.getAnnotation(Setting.class)).check(name, number);
      }
    }
  }

  private static String name(RecordComponent component) {
    return component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  private interface Visitor {
    void visit(RecordComponent component, Object value);
  }

  /** Settings of a record and of those in it. */
  private static void visit(Record options, Visitor visitor) {
    for (RecordComponent component : options.getClass().getRecordComponents()) {
      Object value = value(options, component);
      if (value instanceof Record part) {
        visit(part, visitor);
      } else {
        visitor.visit(component, value);
      }
    }
  }

  private static Object value(Record options, RecordComponent component) {
    try {
      return component.getAccessor().invoke(options);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(options.getClass() + " must be public", e);
    }
  }

  @SuppressWarnings("unchecked")
  private static <R extends Record> R construct(R options, Map<String, ?> given) {
    RecordComponent[] components = options.getClass().getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      Object value = value(options, components[i]);
      Object text = given.get(name(components[i]));
      values[i] =
          value instanceof Record part
              ? construct(part, given)
              : text == null ? value : read(components[i], text);
    }
    try {
      return (R) options.getClass().getDeclaredConstructor(types).newInstance(values);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof IllegalArgumentException refused) {
        throw refused;
      }
      throw new IllegalStateException(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(options.getClass() + " must be public", e);
    }
  }

  private static Object read(RecordComponent component, Object text) {
    return SettingType.of(component).read(name(component), text);
  }
}
