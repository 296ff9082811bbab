// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.Base64;
import java.util.List;
import java.util.Map;

/** Pieces of pages. */
final class Html {
  private Html() {}

  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  /** The picture itself, not a link to it. */
  static String image(Picture picture) {
    return "<img alt=\""
        + escape(picture.text())
        + "\" src=\"data:image/png;base64,"
        + Base64.getEncoder().encodeToString(picture.png())
        + "\">";
  }

  /** The pictures whose names begin so, side by side where there is room. */
  static String grid(Map<String, Picture> pictures, String prefix) {
    StringBuilder html = new StringBuilder("<div class=\"pair\">\n");
    for (String name : names(pictures, prefix)) {
      html.append(image(pictures.get(name))).append('\n');
    }
    return html.append("</div>\n").toString();
  }

  private static List<String> names(Map<String, Picture> pictures, String prefix) {
    return pictures.keySet().stream().filter(name -> name.startsWith(prefix)).toList();
  }
}
