// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Values of settings as text. */
final class Values {
  private static final String ITEMS = ":";
  private static final Map<Class<?>, String> TYPES =
      Map.of(
          double.class, "number",
          Double.class, "number",
          int.class, "integer",
          Integer.class, "integer",
          OptionalInt.class, "integer",
          long.class, "integer",
          String.class, "text",
          Path.class, "path");

  private Values() {}

  /** Of a constant, as it says itself. */
  static String name(Enum<?> constant) {
    return constant.toString().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Of a record among those of a choice. */
  static String name(Class<?> choice) {
    return choice.getSimpleName().toLowerCase(Locale.ROOT);
  }

  /** For tables. */
  static String type(Type type) {
    if (type instanceof ParameterizedType generic) {
      Type of = generic.getActualTypeArguments()[0];
      return type(of) + (generic.getRawType() == List.class && TYPES.containsKey(of) ? "s" : "");
    }
    Class<?> raw = (Class<?>) type;
    String known = TYPES.get(raw);
    return known != null ? known : constants(raw).collect(Collectors.joining(", "));
  }

  /** Whether it is one of several records; an enum whose constants have bodies is sealed too. */
  static boolean isChoice(Class<?> type) {
    return type.isSealed() && !type.isEnum();
  }

  private static Stream<String> constants(Class<?> type) {
    if (type == boolean.class) {
      return Stream.of("true", "false");
    }
    if (isChoice(type)) {
      return Arrays.stream(type.getPermittedSubclasses()).map(Values::name);
    }
    if (!type.isEnum()) {
      throw new IllegalStateException(type + " is no type of a setting");
    }
    return Arrays.stream(type.getEnumConstants()).map(constant -> name((Enum<?>) constant));
  }

  static String text(Object value) {
    return plain(value)
        .map(
            plain ->
                plain instanceof List<?> list
                    ? list.stream().map(Values::text).collect(Collectors.joining(ITEMS))
                    : number(plain))
        .orElse("");
  }

  private static String number(Object value) {
    boolean isInteger =
        value instanceof Double number
            && number == Math.rint(number)
            && Math.abs(number) < 1e15
            && !number.equals(-0.0);
    return isInteger ? String.valueOf(((Double) value).longValue()) : String.valueOf(value);
  }

  /** As a number, truth value, text, or list of them; empty when it is absent. */
  static Optional<Object> plain(Object value) {
    if (value instanceof Optional<?> optional) {
      return optional.flatMap(Values::plain);
    }
    if (value instanceof OptionalInt number) {
      return number.isPresent() ? Optional.of(number.getAsInt()) : Optional.empty();
    }
    if (value instanceof List<?> list) {
      return Optional.of(list.stream().map(item -> plain(item).orElseThrow()).toList());
    }
    if (value instanceof Enum<?> constant) {
      return Optional.of(name(constant));
    }
    if (value instanceof Record chosen) {
      return Optional.of(name(chosen.getClass()));
    }
    return Optional.of(value instanceof Path path ? path.toString() : value);
  }

  /**
   * @param name of the setting, for messages
   */
  static Object parse(String name, Type type, String text) {
    if (type instanceof ParameterizedType generic) {
      Type item = generic.getActualTypeArguments()[0];
      if (generic.getRawType() == List.class) {
        return Arrays.stream(text.isEmpty() ? new String[0] : text.split(ITEMS, -1))
            .map(part -> parse(name, item, part))
            .toList();
      }
      return text.isEmpty() ? Optional.empty() : Optional.of(parse(name, item, text));
    }
    Class<?> raw = (Class<?>) type;
    if (raw == OptionalInt.class) {
      return text.isEmpty()
          ? OptionalInt.empty()
          : OptionalInt.of((Integer) parse(name, int.class, text));
    }
    try {
      return single(raw, text);
    } catch (IllegalArgumentException e) {
      String known = TYPES.get(raw);
      String wanted =
          known == null
              ? "one of " + type(raw)
              : known.equals("integer") ? "an integer" : "a " + known;
      throw new IllegalArgumentException(name + " must be " + wanted + ", not '" + text + "'", e);
    }
  }

  private static Object single(Class<?> type, String text) {
    if (type == double.class || type == Double.class) {
      return Double.parseDouble(text);
    }
    if (type == long.class) {
      return Long.parseLong(text);
    }
    if (type == int.class || type == Integer.class) {
      return Integer.parseInt(text);
    }
    if (type == String.class) {
      return text;
    }
    if (type == Path.class) {
      return Path.of(text);
    }
    int index = constants(type).toList().indexOf(text);
    if (index < 0) {
      throw new IllegalArgumentException(text);
    }
    return type == boolean.class ? index == 0 : type.getEnumConstants()[index];
  }
}
