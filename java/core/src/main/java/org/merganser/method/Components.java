// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Locale;

/** Reflection on records. */
final class Components {
  private Components() {}

  /** As in text: {@code evalEvery} is {@code eval-every}. */
  static String name(RecordComponent component) {
    return component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }

  static Object value(Record options, RecordComponent component) {
    try {
      return component.getAccessor().invoke(options);
    } catch (ReflectiveOperationException e) {
      throw notPublic(options.getClass(), e);
    }
  }

  /** What the static {@code defaults()} of a record gives. */
  static Record defaults(Class<?> type) {
    try {
      return (Record) type.getMethod("defaults").invoke(null);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(type.getName() + " has no public static defaults()", e);
    }
  }

  /** Another record of the same type; what its constructor refuses is thrown as it is. */
  @SuppressWarnings("unchecked")
  static <R extends Record> R construct(R like, Object[] values) {
    Class<?>[] types =
        Arrays.stream(like.getClass().getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      return (R) like.getClass().getDeclaredConstructor(types).newInstance(values);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof RuntimeException refused) {
        throw refused;
      }
      throw new IllegalStateException(e.getCause());
    } catch (ReflectiveOperationException e) {
      throw notPublic(like.getClass(), e);
    }
  }

  private static IllegalStateException notPublic(Class<?> type, Exception e) {
    return new IllegalStateException(type.getName() + " must be public", e);
  }
}
