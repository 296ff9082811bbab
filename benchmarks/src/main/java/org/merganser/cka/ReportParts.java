// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** Parts of a report that have no API of their own, for benchmarks: of two centred Grams. */
public record ReportParts(Matrix k, Matrix l, Workspace ws) {

  /** CKA without each sample, with the sums over the Grams that it takes. */
  public double[] leaveOneOut() {
    return LeaveOneOut.biased(pair(), ws);
  }

  /** Biased CKA of replicates with these counts of the samples, n in each. */
  public double[] bootstrap(double[][] counts) {
    return Resampling.of(pair(), Math.toIntExact(k.rows()), counts, ws).biased();
  }

  private GramPair pair() {
    return GramPair.borrowed(k, l, 1, ws);
  }
}
