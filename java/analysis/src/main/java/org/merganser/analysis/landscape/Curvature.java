// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;

/** The Hessian H of a loss at a point, which is only applied. Symmetric; may be indefinite. */
public interface Curvature {
  /** P. */
  int size();

  /**
   * {@code H v}.
   *
   * @param v P numbers, not changed
   * @return a new array
   */
  double[] times(double[] v) throws IOException;
}
