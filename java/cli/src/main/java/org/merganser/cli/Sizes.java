// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers of bytes as people write them. */
final class Sizes {
  private static final Pattern SIZE =
      Pattern.compile("(\\d{1,12}(?:\\.\\d{1,6})?)(KB|MB|GB|TB|KIB|MIB|GIB|TIB|B)?");
  private static final Map<String, Long> UNITS =
      Map.of(
          "B", 1L,
          "KB", 1_000L,
          "MB", 1_000_000L,
          "GB", 1_000_000_000L,
          "TB", 1_000_000_000_000L,
          "KIB", 1L << 10,
          "MIB", 1L << 20,
          "GIB", 1L << 30,
          "TIB", 1L << 40);

  private Sizes() {}

  static long parse(String option, String text) {
    Matcher size = SIZE.matcher(text.toUpperCase(Locale.ROOT).replace(" ", ""));
    if (size.matches()) {
      String unit = size.group(2) == null ? "B" : size.group(2);
      double bytes = Double.parseDouble(size.group(1)) * UNITS.get(unit);
      if (bytes >= 1 && bytes < 1e18) {
        return (long) bytes;
      }
    }
    throw new IllegalArgumentException(
        option + " " + text + ": give a number of bytes, such as 500MB, 2GB or 1GiB");
  }
}
