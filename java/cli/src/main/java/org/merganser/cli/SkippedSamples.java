// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.Locale;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/**
 * How many samples statistics are without, one line for each space that lacks some: a warning when
 * few are left.
 */
final class SkippedSamples {
  private SkippedSamples() {}

  static void print(Moments moments, PrintWriter out) {
    for (String id : moments.spaces()) {
      SpaceMoments space = moments.space(id);
      if (space.skipped() > 0) {
        boolean few = space.samples() <= space.width(0) || space.samples() < space.skipped();
        out.printf(
            Locale.ROOT,
            "%sspace '%s': %d of %d samples dropped, not finite; %d left for %d features%n",
            few ? "warning: " : "",
            Printable.line(id),
            space.skipped(),
            space.samples() + space.skipped(),
            space.samples(),
            space.width(0));
      }
    }
  }
}
