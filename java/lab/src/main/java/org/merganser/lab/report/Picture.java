// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.Set;

/** A picture and what it shows, in words. */
record Picture(byte[] png, String text) {

  /** A name for the picture of something called so, other than those taken. */
  static String fileName(String prefix, String subject, Set<String> taken) {
    String name = prefix + subject.replaceAll("[^A-Za-z0-9._-]", "_") + ".png";
    for (int i = 2; taken.contains(name); i++) {
      name = name.replaceFirst("(-\\d+)?\\.png$", "-" + i + ".png");
    }
    return name;
  }
}
