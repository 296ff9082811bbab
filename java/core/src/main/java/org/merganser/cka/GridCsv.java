// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.cka.ReliabilityReport.Grid;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;

/** The reliability of a grid as comma-separated values; what is no number is empty. */
final class GridCsv {
  private GridCsv() {}

  static String of(Grid grid) {
    StringBuilder csv =
        new StringBuilder(
            "layerA,layerB,biased,debiased,p,q,chance,topInfluenceIndex,topInfluence,problem\n");
    SimilarityGrid values = grid.values();
    for (int i = 0; i < values.namesA().size(); i++) {
      for (int j = 0; j < values.namesB().size(); j++) {
        Cell cell = values.cell(i, j);
        csv.append(quoted(values.namesA().get(i)) + "," + quoted(values.namesB().get(j)));
        double[] numbers = {cell.biased(), cell.debiased(), cell.p(), grid.q(i, j), cell.chance()};
        for (double number : numbers) {
          csv.append("," + number(number));
        }
        csv.append("," + (cell.topInfluenceIndex() < 0 ? "" : cell.topInfluenceIndex()));
        csv.append("," + number(cell.topInfluence()) + "," + quoted(cell.reason()) + "\n");
      }
    }
    return csv.toString();
  }

  private static String number(double value) {
    return Double.isNaN(value) ? "" : String.valueOf(value);
  }

  private static String quoted(String text) {
    boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
    return plain ? text : "\"" + text.replace("\"", "\"\"") + "\"";
  }
}
