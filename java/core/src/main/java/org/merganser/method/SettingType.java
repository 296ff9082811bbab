// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Collectors;

/**
 * How values of a component are written.
 *
 * @param item type of one value
 */
record SettingType(Count count, Class<?> item) {
  private static final String ITEMS = ":";

  /** How many values there are. */
  enum Count {
    ONE,
    OPTIONAL,
    LIST
  }

  static SettingType of(RecordComponent component) {
    Class<?> type = component.getType();
    if (type == OptionalInt.class) {
      return new SettingType(Count.OPTIONAL, int.class);
    }
    if (type == OptionalLong.class) {
      return new SettingType(Count.OPTIONAL, long.class);
    }
    if (type == OptionalDouble.class) {
      return new SettingType(Count.OPTIONAL, double.class);
    }
    if (type == Optional.class || type == List.class) {
      ParameterizedType generic = (ParameterizedType) component.getGenericType();
      Class<?> item = (Class<?>) generic.getActualTypeArguments()[0];
      return new SettingType(
          type == List.class ? Count.LIST : Count.OPTIONAL,
          item == Double.class ? double.class : item == Integer.class ? int.class : item);
    }
    return new SettingType(Count.ONE, type);
  }

  /** In words, for tables. */
  String words() {
    String plural = count == Count.LIST ? "s" : "";
    if (item == double.class) {
      return "number" + plural;
    }
    if (item == int.class || item == long.class) {
      return "integer" + plural;
    }
    if (item == boolean.class) {
      return "true, false";
    }
    if (item.isEnum()) {
      return Arrays.stream(item.getEnumConstants())
          .map(SettingType::text)
          .collect(Collectors.joining(", "));
    }
    return (item == Path.class ? "path" : "text") + plural;
  }

  /** A value as it is read again; of none, empty. */
  static String text(Object value) {
    if (value instanceof Enum<?> constant) {
      return constant.toString().toLowerCase(Locale.ROOT).replace('_', '-');
    }
    if (value instanceof Double number && number == Math.rint(number) && Math.abs(number) < 1e15) {
      return String.valueOf(number.longValue());
    }
    if (value instanceof List<?> list) {
      return list.stream().map(SettingType::text).collect(Collectors.joining(ITEMS));
    }
    return items(value).equals(List.of(value))
        ? String.valueOf(value)
        : items(value).stream().map(SettingType::text).collect(Collectors.joining());
  }

  /** The values in a value: of a list and of an optional those it has. */
  static List<?> items(Object value) {
    if (value instanceof List<?> list) {
      return list;
    }
    if (value instanceof Optional<?> some) {
      return some.stream().toList();
    }
    if (value instanceof OptionalInt some) {
      return some.stream().boxed().toList();
    }
    if (value instanceof OptionalLong some) {
      return some.stream().boxed().toList();
    }
    if (value instanceof OptionalDouble some) {
      return some.stream().boxed().toList();
    }
    return List.of(value);
  }

  /**
   * A value from text.
   *
   * @param given a text, the items of a list divided by colons, or a list of items
   * @param name of the setting, for messages
   */
  Object read(String name, Object given) {
    List<?> texts = given instanceof List<?> list ? list : texts(text(given));
    List<Object> values = texts.stream().map(text -> one(name, text(text), text(given))).toList();
    if (count == Count.LIST) {
      return values;
    }
    if (values.size() > 1 || values.isEmpty() && count == Count.ONE) {
      throw new IllegalArgumentException(name + " takes one value, not " + texts);
    }
    if (count == Count.ONE) {
      return values.get(0);
    }
    if (item == int.class) {
      return values.isEmpty() ? OptionalInt.empty() : OptionalInt.of((int) values.get(0));
    }
    if (item == long.class) {
      return values.isEmpty() ? OptionalLong.empty() : OptionalLong.of((long) values.get(0));
    }
    if (item == double.class) {
      return values.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of((double) values.get(0));
    }
    return values.stream().findFirst();
  }

  private List<String> texts(String text) {
    if (text.isEmpty() && count != Count.ONE) {
      return List.of();
    }
    return count == Count.LIST ? Arrays.asList(text.split(ITEMS, -1)) : List.of(text);
  }

  /**
   * @param whole what was given, for messages
   */
  private Object one(String name, String text, String whole) {
    try {
      if (item == double.class) {
        return Double.parseDouble(text);
      }
      if (item == long.class) {
        return Long.parseLong(text);
      }
      if (item == int.class) {
        return Integer.parseInt(text);
      }
    } catch (NumberFormatException e) {
      String article = count == Count.LIST ? "" : item == double.class ? "a " : "an ";
      throw new IllegalArgumentException(
          name + " must be " + article + words() + ", not '" + whole + "'", e);
    }
    if (item == String.class) {
      return text;
    }
    if (item == Path.class) {
      return Path.of(text);
    }
    Object[] constants =
        item.isEnum() ? item.getEnumConstants() : new Object[] {Boolean.TRUE, Boolean.FALSE};
    for (Object constant : constants) {
      if (text(constant).equals(text)) {
        return constant;
      }
    }
    throw new IllegalArgumentException(
        name + " must be one of " + words() + ", not '" + whole + "'");
  }
}
