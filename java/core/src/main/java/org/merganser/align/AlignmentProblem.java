// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.ArrayList;
import java.util.List;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/**
 * What an aligner starts from: the architecture and moments of N models, the reference being model
 * 0. Borrows the moments, which whoever collected them closes.
 */
public record AlignmentProblem(Architecture architecture, Moments moments) {

  /**
   * @throws IncompatibleModelsException when a space has no moments, another width than the
   *     architecture says, another number of models than the first, or fewer than 2 samples
   */
  public static AlignmentProblem of(Architecture architecture, Moments moments) {
    List<String> problems = new ArrayList<>();
    int models = -1;
    for (FeatureSpace space : architecture.spaces()) {
      if (!moments.spaces().contains(space.id())) {
        problems.add("space '" + space.id() + "' has no statistics");
        continue;
      }
      SpaceMoments found = moments.space(space.id());
      for (int k = 0; k < found.models(); k++) {
        if (found.width(k) != space.width()) {
          problems.add(
              "space '"
                  + space.id()
                  + "', model "
                  + k
                  + ": statistics of "
                  + found.width(k)
                  + " features, the architecture has "
                  + space.width());
        }
      }
      models = models < 0 ? found.models() : models;
      if (found.models() != models) {
        problems.add(
            "space '"
                + space.id()
                + "': statistics of "
                + found.models()
                + " models, the first space has "
                + models);
      }
      if (found.samples() < 2) {
        problems.add(
            "space '" + space.id() + "': " + found.samples() + " samples, at least 2 are needed");
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("statistics do not fit the architecture", problems);
    }
    return new AlignmentProblem(architecture, moments);
  }

  /** Number of models, the reference included; 1 for an architecture without spaces. */
  public int models() {
    return architecture.spaces().stream()
        .findFirst()
        .map(space -> moments.space(space.id()).models())
        .orElse(1);
  }
}
