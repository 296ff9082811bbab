// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.List;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** The two sides of a report: activations, or what was saved of them. */
interface Sides extends AutoCloseable {
  /** Where they come from. */
  interface Source {
    Blocks blocks();

    long featuresX();

    /**
     * Of some of the samples.
     *
     * @param samples in order; all of them, or those that were drawn
     */
    Sides open(int[] samples, Workspace ws);
  }

  long featuresX();

  long featuresY();

  /** Centred Grams, new. */
  GramPair pair(CkaKernel kernel);

  /** The centred linear Gram of X, new. */
  Matrix linear();

  /**
   * The p-value of the given order.
   *
   * @param groups of each sample, or null
   */
  Significance significance(GramPair pair, CkaKernel kernel, int permutations, int[] groups);

  /**
   * @param linear Gram of X
   * @param unseen a direction that a readout does not see; null for any
   */
  TranslationCurves curves(Matrix linear, double[] unseen);

  List<Check> checks(CkaKernel kernel);

  List<Opinion> opinions(CkaKernel kernel);

  @Override
  void close();
}
