// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import org.merganser.plan.Catalogue;

/** A method with settings as they are typed, {@code cca:gamma=0.1}. */
final class MethodText {
  private MethodText() {}

  /** The id. */
  static String id(String method) {
    int colon = method.indexOf(':');
    return colon < 0 ? method : method.substring(0, colon);
  }

  /**
   * The method with what a shorter option sets.
   *
   * @param setting which the method must have
   * @param settings to be added
   * @throws IllegalArgumentException when it has none of that name
   */
  static String with(
      Catalogue.Methods<?> methods, String method, String option, String setting, String settings) {
    if (!methods.entry(id(method)).settings().has(setting)) {
      throw new IllegalArgumentException(
          option + ": method " + id(method) + " does not use it; drop it");
    }
    return method + (method.equals(id(method)) ? ":" : ",") + settings;
  }
}
