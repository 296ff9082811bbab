// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.method.Method;
import org.merganser.model.Architecture;
import org.merganser.stats.StatisticsRequest;

/** A method that finds feature maps. */
public interface Aligner extends Method {
  /** The moments it needs. */
  StatisticsRequest request(Architecture architecture);

  /**
   * Maps of every model into the reference, that of the reference included.
   *
   * @param problem its statistics are borrowed: no map refers to them
   * @return what the caller closes
   */
  AlignmentSet align(AlignmentProblem problem, Workspace ws);
}
