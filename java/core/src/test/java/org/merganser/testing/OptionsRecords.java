// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Options are records with {@code defaults()} and a {@code withX} for each component, or {@code
 * with(name, value)} for all of them.
 */
public final class OptionsRecords {
  private OptionsRecords() {}

  /** Public records of options. */
  public static List<Class<?>> in(JavaClasses classes) {
    return classes.stream()
        .filter(JavaClass::isRecord)
        .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
        .filter(type -> type.getSimpleName().endsWith("Options"))
        .filter(type -> !type.getPackageName().startsWith("org.merganser.internal"))
        .<Class<?>>map(JavaClass::reflect)
        .filter(type -> type.getRecordComponents().length > 0)
        .toList();
  }

  /** Those without {@code defaults()}. */
  public static List<Class<?>> withoutDefaults(List<Class<?>> options) {
    return options.stream().filter(type -> !ways(type).contains("defaults")).toList();
  }

  /** What is missing of their components, as {@code TYPE.withX}. */
  public static List<String> missingWays(List<Class<?>> options) {
    List<String> missing = new ArrayList<>();
    for (Class<?> type : options) {
      for (RecordComponent component : type.getRecordComponents()) {
        String name = component.getName();
        String way = "with" + name.substring(0, 1).toUpperCase(Locale.ROOT) + name.substring(1);
        if (!ways(type).contains(way) && !isSetByName(type)) {
          missing.add(type.getName() + "." + way);
        }
      }
    }
    return missing;
  }

  private static Set<String> ways(Class<?> type) {
    return Stream.of(type.getMethods())
        .filter(method -> method.getReturnType() == type)
        .map(Method::getName)
        .collect(Collectors.toSet());
  }

  private static boolean isSetByName(Class<?> type) {
    try {
      return type.getMethod("with", String.class, Object.class).getReturnType() == type;
    } catch (NoSuchMethodException e) {
      return false;
    }
  }
}
