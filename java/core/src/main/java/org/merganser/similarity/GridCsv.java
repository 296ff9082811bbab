// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.similarity.ReliabilityReport.Cell;
import org.merganser.similarity.ReliabilityReport.Grid;

/** A grid as comma-separated values; what is no number is empty. */
final class GridCsv {
  private GridCsv() {}

  static String of(Grid grid) {
    StringBuilder csv =
        new StringBuilder(
            "layerA,layerB,biased,debiased,p,q,chance,topInfluenceIndex,topInfluence,problem\n");
    for (int i = 0; i < grid.rows().size(); i++) {
      for (int j = 0; j < grid.columns().size(); j++) {
        Cell cell = grid.cell(i, j);
        csv.append(quoted(grid.rows().get(i)) + "," + quoted(grid.columns().get(j)));
        double[] numbers = {cell.biased(), cell.debiased(), cell.p(), cell.q(), cell.chance()};
        for (double number : numbers) {
          csv.append("," + number(number));
        }
        csv.append("," + (cell.problem().isEmpty() ? cell.topInfluenceIndex() : ""));
        csv.append("," + number(cell.topInfluence()) + "," + quoted(cell.problem()) + "\n");
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
