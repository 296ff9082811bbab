// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.Locale;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/** How many samples statistics are without, one line for each space that lacks some. */
final class SkippedSamples {
  private SkippedSamples() {}

  static void print(Moments moments, PrintWriter out) {
    for (String id : moments.spaces()) {
      SpaceMoments space = moments.space(id);
      if (space.skipped() > 0) {
        boolean few = space.samples() <= space.width(0) || space.samples() < space.skipped();
        out.printf(
            Locale.ROOT,
            "%s: %d of %d samples dropped, not finite; %d used%s%n",
            Printable.line(id),
            space.skipped(),
            space.samples() + space.skipped(),
            space.samples(),
            few ? " for " + space.width(0) + " features: few, maps may mean little (warning)" : "");
      }
    }
  }
}
