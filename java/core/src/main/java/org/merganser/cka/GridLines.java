// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.List;
import org.merganser.cka.ReliabilityReport.Grid;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;

/** The reliability of a grid in lines. */
final class GridLines {
  private GridLines() {}

  static String of(Grid grid) {
    SimilarityGrid values = grid.values();
    int a = width("A", values.namesA());
    int b = width("B", values.namesB());
    StringBuilder text = new StringBuilder();
    text.append(
        ReliabilityText.format(
            "CKA reliability   n=%d  %d x %d layers   linear kernel%n",
            values.samples(), values.namesA().size(), values.namesB().size()));
    String names = "  %-" + a + "s  %-" + b + "s";
    text.append(ReliabilityText.format(names, "A", "B"));
    text.append("   biased  debiased   chance        p        q  influence\n");
    for (int i = 0; i < values.namesA().size(); i++) {
      for (int j = 0; j < values.namesB().size(); j++) {
        Cell cell = values.cell(i, j);
        text.append(ReliabilityText.format(names, values.namesA().get(i), values.namesB().get(j)));
        text.append(
            cell.reason().isEmpty()
                ? ReliabilityText.format(
                    "  %7.4f  %8.4f  %7.4f  %7.4f  %7.4f  #%d %+.4f%n",
                    cell.biased(),
                    cell.debiased(),
                    cell.chance(),
                    cell.p(),
                    grid.q(i, j),
                    cell.topInfluenceIndex(),
                    cell.topInfluence())
                : "  " + cell.reason() + "\n");
      }
    }
    grid.warnings().forEach(warning -> text.append("  WARNING " + warning + "\n"));
    return text.toString();
  }

  private static int width(String head, List<String> names) {
    return names.stream().mapToInt(String::length).reduce(head.length(), Math::max);
  }
}
