// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.model.Architecture;
import org.merganser.stats.StatisticsRequest;

/** No alignment, {@code T = I}: what averaging the parameters as they are amounts to. */
public final class IdentityAligner implements Aligner {
  @Override
  public String id() {
    return "identity";
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return StatisticsRequest.NONE;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    return AllToFirst.align(
        id(), problem, (space, moments, model, w) -> SpaceAlignment.identity(space.width()), ws);
  }
}
