// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

/** The numbers that a setting may have: finite, between bounds. */
record Range(double low, boolean lowOpen, double high, boolean highOpen) {
  static Range of(Setting setting) {
    boolean lowOpen = setting.above() >= setting.min() && Double.isFinite(setting.above());
    boolean highOpen = setting.below() <= setting.max() && Double.isFinite(setting.below());
    return new Range(
        lowOpen ? setting.above() : setting.min(),
        lowOpen,
        highOpen ? setting.below() : setting.max(),
        highOpen);
  }

  void check(String name, Number number) {
    double value = number.doubleValue();
    boolean inside =
        (lowOpen ? value > low : value >= low)
            && (highOpen ? value < high : value <= high)
            && Double.isFinite(value);
    if (!inside) {
      boolean integer = number instanceof Integer || number instanceof Long;
      throw new IllegalArgumentException(
          name
              + " must be "
              + (integer || isBounded() ? "" : text().isEmpty() ? "finite" : "finite and ")
              + text()
              + ", not "
              + number);
    }
  }

  private boolean isBounded() {
    return Double.isFinite(low) && Double.isFinite(high);
  }

  /** Empty when there are no bounds. */
  String text() {
    if (isBounded()) {
      return "in " + (lowOpen ? "(" : "[") + text(low) + ", " + text(high) + (highOpen ? ")" : "]");
    }
    if (Double.isFinite(low)) {
      return (lowOpen ? "greater than " : "at least ") + text(low);
    }
    if (Double.isFinite(high)) {
      return (highOpen ? "less than " : "at most ") + text(high);
    }
    return "";
  }

  private static String text(double bound) {
    return bound == Math.rint(bound) && Math.abs(bound) < 1e15
        ? String.valueOf((long) bound)
        : String.valueOf(bound);
  }
}
