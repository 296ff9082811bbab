// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Two Grams gone through on the host, some rows at a time. */
final class GramRowPairs {
  private static final int TOGETHER = 256;

  private GramRowPairs() {}

  /** Takes rows of both, whose first has a number; those of A it may change where B is another. */
  interface Visitor {
    void visit(int first, double[] a, double[] b);
  }

  static void each(Matrix a, Matrix b, Workspace ws, Visitor visitor) {
    for (long from = 0; from < a.rows(); from += TOGETHER) {
      ws.cancellation().check();
      long to = Math.min(from + TOGETHER, a.rows());
      try (Tensor partA = a.asTensor().rows(from, to);
          Tensor partB = b.asTensor().rows(from, to);
          Tensor left = partA.toHost(ws);
          Tensor right = partB.toHost(ws)) {
        visitor.visit((int) from, left.toDoubleArray(), right.toDoubleArray());
      }
    }
  }
}
