// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A record hands out the very arrays it holds, and compares them by identity, unless it says
 * otherwise itself.
 */
public final class RecordArrays {
  private RecordArrays() {}

  /** Public records with an array that is not copied by its accessor or not compared by content. */
  public static List<String> exposed(JavaClasses classes) {
    List<String> problems = new ArrayList<>();
    for (JavaClass type : classes) {
      boolean isApi =
          type.isRecord()
              && type.getModifiers().contains(JavaModifier.PUBLIC)
              && !type.getPackageName().startsWith("org.merganser.internal");
      for (RecordComponent part : isApi ? type.reflect().getRecordComponents() : none()) {
        if (part.getType().isArray()) {
          String where = type.getName() + "." + part.getName() + ": ";
          if (!calls(type.getMethod(part.getName()), "clone")) {
            problems.add(where + "the accessor does not copy");
          }
          if (!calls(type.tryGetMethod("equals", Object.class).orElse(null), "equals")) {
            problems.add(where + "equals does not compare by Arrays.equals");
          }
          if (!calls(type.tryGetMethod("hashCode").orElse(null), "hashCode")) {
            problems.add(where + "hashCode does not use Arrays.hashCode");
          }
        }
      }
    }
    return problems;
  }

  private static RecordComponent[] none() {
    return new RecordComponent[0];
  }

  /** Whether a method calls one of an array or of {@link Arrays}; generated ones do not. */
  private static boolean calls(JavaMethod method, String name) {
    return method != null
        && method.getMethodCallsFromSelf().stream()
            .map(JavaAccess::getTarget)
            .filter(target -> target.getName().equals(name))
            .anyMatch(
                target ->
                    target.getOwner().isArray() || target.getOwner().isEquivalentTo(Arrays.class));
  }
}
