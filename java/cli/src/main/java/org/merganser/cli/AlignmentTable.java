// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import org.merganser.align.Alignment;
import org.merganser.align.SpaceAlignment;
import org.merganser.align.Verification;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/** What was found, one line a space, and what makes it doubtful. */
final class AlignmentTable {
  private AlignmentTable() {}

  static void print(Alignment alignment, Verification checks, PrintWriter out) {
    out.printf(
        "%-24s %6s %8s %10s %10s  %-24s %s%n",
        "space", "width", "score", "condition", "|TS-I|", "function", "null space");
    for (Map.Entry<String, SpaceAlignment> item : alignment.spaces().entrySet()) {
      Verification.SpaceCheck check = checks.spaces().get(item.getKey());
      SpaceAlignment space = item.getValue();
      out.printf(
          Locale.ROOT,
          "%-24s %6d %8.4f %10.3g %10.1e  %-24s %s%n",
          Printable.line(item.getKey()),
          space.map().referenceWidth(),
          space.score(),
          check.condition(),
          check.residual(),
          function(item.getKey(), check, checks),
          space.completion().name().toLowerCase(Locale.ROOT));
    }
    if (alignment.spaces().values().stream().anyMatch(space -> !space.map().isInvertible())) {
      out.println(
          "S is T^-1; of a pair of maps, which has no inverse, the map of the reading side");
    }
    checks
        .outputChange()
        .ifPresent(
            change ->
                out.printf(
                    Locale.ROOT, "outputs of the network change by %.2g of their size%n", change));
    warnings("", checks, out);
  }

  /**
   * How many samples statistics are without, one line for each space that lacks some: a warning
   * when few are left.
   */
  static void skipped(Moments moments, PrintWriter out) {
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

  /**
   * @param what is put before each warning
   */
  static void warnings(String what, Verification checks, PrintWriter out) {
    checks.warnings().forEach(warning -> out.println(Printable.line("warning: " + what + warning)));
  }

  /** Whether the map keeps what the network computes, and how that is known. */
  private static String function(String space, Verification.SpaceCheck check, Verification checks) {
    return checks
        .measured(space)
        .map(
            fit ->
                String.format(
                    Locale.ROOT,
                    fit.change() <= 0.02 ? "kept (measured, %.0e)" : "not kept (measured, %.2g)",
                    fit.change()))
        .orElse(check.exact() ? "kept by its family" : "not kept");
  }
}
