// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import org.merganser.compute.Workspace;

/**
 * A loss of P numbers; may be asked by several threads at once, each with a Workspace of its own.
 */
@FunctionalInterface
public interface LossFunction {
  /**
   * The loss at a point, which is not changed.
   *
   * @return NaN or infinite where there is none
   */
  double at(double[] theta, Workspace ws) throws IOException;
}
