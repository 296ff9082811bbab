// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The form of records, the names and types of their components, by the names of their classes: what
 * tells whether a file in which they are JSON can be read by what they are now.
 */
final class RecordForms {
  private final Map<String, String> forms = new TreeMap<>();

  private RecordForms() {}

  /** Of all records in a value: in maps, lists and arrays, and in the records themselves. */
  static Map<String, String> of(Object value) {
    RecordForms all = new RecordForms();
    all.add(value);
    return all.forms;
  }

  /**
   * @param kept what {@link #of} gave when a file was written; null when it did not yet
   */
  static boolean areThoseOfNow(Object kept) {
    return kept instanceof Map<?, ?> forms
        && !forms.isEmpty()
        && forms.entrySet().stream()
            .allMatch(form -> form.getValue().equals(now((String) form.getKey())));
  }

  private static String now(String name) {
    try {
      Class<?> type = Class.forName(name, false, RecordForms.class.getClassLoader());
      return type.isRecord() ? form(type) : "";
    } catch (ClassNotFoundException e) {
      return "";
    }
  }

  private static String form(Class<?> type) {
    return Arrays.stream(type.getRecordComponents())
        .map(part -> part.getGenericType().getTypeName() + " " + part.getName())
        .collect(Collectors.joining(", "));
  }

  private void add(Object value) {
    if (value instanceof Map<?, ?> map) {
      map.values().forEach(this::add);
    } else if (value instanceof Iterable<?> list) {
      list.forEach(this::add);
    } else if (value instanceof Object[] array) {
      Arrays.asList(array).forEach(this::add);
    } else if (value instanceof Record) {
      add((Type) value.getClass());
    }
  }

  /** Of a type rather than of values: a list may be empty this time. */
  private void add(Type type) {
    if (type instanceof ParameterizedType of) {
      Arrays.stream(of.getActualTypeArguments()).forEach(this::add);
    } else if (type instanceof GenericArrayType array) {
      add(array.getGenericComponentType());
    } else if (type instanceof Class<?> one) {
      if (one.isArray()) {
        add((Type) one.getComponentType());
      } else if (one.isRecord() && forms.put(one.getName(), form(one)) == null) {
        for (RecordComponent part : one.getRecordComponents()) {
          add(part.getGenericType());
        }
      }
    }
  }
}
