// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import org.merganser.align.Alignment;
import org.merganser.align.SpaceAlignment;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;

/** What was found, one line a space. */
final class AlignmentTable {
  private AlignmentTable() {}

  static void print(Alignment alignment, Workspace ws, PrintWriter out) {
    Verification checks = alignment.verify(ws);
    out.printf(
        Locale.ROOT,
        "%-24s %6s %8s %10s %10s  %-12s %s%n",
        "space",
        "width",
        "score",
        "condition",
        "|TT^-1-I|",
        "function",
        "null space");
    for (Map.Entry<String, SpaceAlignment> item : alignment.spaces().entrySet()) {
      Verification.SpaceCheck check = checks.spaces().get(item.getKey());
      SpaceAlignment space = item.getValue();
      out.printf(
          Locale.ROOT,
          "%-24s %6d %8.4f %10.3g %10.1e  %-12s %s%n",
          Printable.line(item.getKey()),
          space.map().width(),
          space.score(),
          check.condition(),
          check.residual(),
          check.exact() ? "kept" : "approximate",
          space.completion().name().toLowerCase(Locale.ROOT));
    }
    out.flush();
  }
}
