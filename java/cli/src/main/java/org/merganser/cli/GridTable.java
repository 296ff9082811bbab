// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.List;
import org.merganser.lab.report.Section;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;

/** A grid of values by layers, in columns. */
final class GridTable {
  /** Characters of a name in a table. */
  private static final int LONGEST = 24;

  private GridTable() {}

  /** What the values are of. */
  static String how(SimilarityGrid grid) {
    return Section.format(
        "%s, %s route, %d samples%s%s, %s",
        Compared.lower(grid.estimator()),
        grid.route(),
        grid.samples(),
        grid.batch() == 0 ? "" : " in batches of " + grid.batch(),
        grid.dropped() == 0 ? "" : ", " + grid.dropped() + " dropped",
        Compared.lower(grid.flatten()));
  }

  static void print(SimilarityGrid grid, PrintWriter out) {
    int left = width(grid.namesA(), 4);
    int each = width(grid.namesB(), 7);
    out.print("  " + " ".repeat(left));
    grid.namesB().forEach(name -> out.print("  " + right(cut(name), each)));
    out.println();
    for (int i = 0; i < grid.namesA().size(); i++) {
      String name = cut(grid.namesA().get(i));
      out.print("  " + name + " ".repeat(Math.max(0, left - name.length())));
      for (Cell cell : grid.cells().get(i)) {
        String text = Double.isNaN(cell.value()) ? "-" : Section.format("%.4f", cell.value());
        out.print("  " + right(text, each));
      }
      out.println();
    }
  }

  private static int width(List<String> names, int least) {
    return names.stream().mapToInt(name -> cut(name).length()).reduce(least, Math::max);
  }

  /** Ends of names tell layers apart. */
  private static String cut(String name) {
    String line = Printable.line(name);
    return line.length() <= LONGEST ? line : "..." + line.substring(line.length() - LONGEST + 3);
  }

  private static String right(String text, int width) {
    return " ".repeat(Math.max(0, width - text.length())) + text;
  }
}
