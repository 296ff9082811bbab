// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.StatisticsRequest;

/** No alignment, {@code T = I}: what averaging the parameters as they are amounts to. */
public final class IdentityAligner implements Aligner {
  @Override
  public String id() {
    return "identity";
  }

  @Override
  public String summary() {
    return "parameters taken as they are";
  }

  @Override
  public Set<Trait> traits() {
    return Set.of(Trait.INVERTIBLE, Trait.ONE_TO_ONE, Trait.KEEPS_EQUAL_MODELS, Trait.IGNORES_UNIT);
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return StatisticsRequest.NONE;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    AllToFirst.requireWidths(this, problem);
    Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
    for (FeatureSpace space : problem.architecture().spaces()) {
      spaces.put(space.id(), SpaceAlignment.identity(space.width()));
    }
    return new AlignmentSet(
        Stream.generate(() -> new Alignment(id(), problem.architecture(), spaces))
            .limit(problem.models())
            .toList());
  }
}
