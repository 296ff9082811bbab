// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.math.BigDecimal;
import java.util.function.Supplier;
import org.merganser.error.NumericalException;

/**
 * The proof that a matching is an optimum. A bound by duals leaves n times their largest violation
 * for a better one. That counts as rounding when it is below 8 eps n times the sum of the chosen
 * entries, and far below the least of them: sizes of other entries, or of the duals, do not enter.
 * Otherwise the problem is solved again and sums are compared exactly.
 */
final class AssignmentProof {
  /** Entries of the problem. */
  interface Entries {
    /** That of each row in its column. */
    double[] in(int[] columns);
  }

  private static final double EPSILON = Math.ulp(1.0);

  private AssignmentProof() {}

  static void require(
      Assignment found, double violation, Entries entries, Supplier<Assignment> again) {
    int[] columns = found.columns();
    double total = 0;
    double least = Double.POSITIVE_INFINITY;
    double[] chosen = entries.in(columns);
    for (int i = 0; i < chosen.length; i++) {
      double entry = chosen[i];
      if (Double.isInfinite(entry)) {
        throw new NumericalException(
            "not proved optimal: row "
                + i
                + " takes column "
                + columns[i]
                + ", which is forbidden");
      }
      total += Math.abs(entry);
      least = entry == 0 ? least : Math.min(least, Math.abs(entry));
    }
    if (!Double.isFinite(total) || !Double.isFinite(found.value())) {
      throw new NumericalException(
          "not proved optimal: the value "
              + found.value()
              + " or the sum of magnitudes of the chosen entries, "
              + total
              + ", is not finite");
    }
    double rounding = 8 * EPSILON * total;
    BigDecimal sum = sum(columns, entries);
    double off = Math.abs(sum.subtract(new BigDecimal(found.value())).doubleValue());
    double tolerance = rounding * Math.max(1, columns.length);
    if (off > tolerance) {
      throw new NumericalException(
          "not proved optimal: the value "
              + found.value()
              + " differs from the sum of the chosen entries by "
              + off);
    }
    if (violation <= rounding && violation * found.v().length <= 0x1p-20 * least) {
      return;
    }
    BigDecimal best = sum(again.get().columns(), entries);
    double gap = (found.maximised() ? best.subtract(sum) : sum.subtract(best)).doubleValue();
    if (gap > Math.min(tolerance, 0x1p-20 * least)) {
      throw new NumericalException(
          "not proved optimal: the duals violate a condition by "
              + violation
              + ", and another matching is better by "
              + gap
              + "; these are not the matrix, permutation and duals of one solution");
    }
  }

  private static BigDecimal sum(int[] columns, Entries entries) {
    BigDecimal sum = BigDecimal.ZERO;
    for (double entry : entries.in(columns)) {
      if (!Double.isFinite(entry)) {
        throw new NumericalException("the entries changed while they were read");
      }
      sum = sum.add(new BigDecimal(entry));
    }
    return sum;
  }
}
