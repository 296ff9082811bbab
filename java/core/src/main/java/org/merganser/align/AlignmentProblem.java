// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/**
 * What an aligner starts from: the architecture of each of N models and moments of them, the
 * reference being model 0. Borrows the moments, which whoever collected them closes.
 *
 * @param architectures of each model
 */
public record AlignmentProblem(List<Architecture> architectures, Moments moments) {
  public AlignmentProblem {
    architectures = List.copyOf(architectures);
  }

  /**
   * Models of the same architecture.
   *
   * @throws IncompatibleModelsException when a space has no moments, another width than the
   *     architecture says, another number of models than the first, or fewer than 2 samples
   */
  public static AlignmentProblem of(Architecture architecture, Moments moments) {
    int models =
        architecture.spaces().stream()
            .filter(space -> moments.spaces().contains(space.id()))
            .findFirst()
            .map(space -> moments.space(space.id()).models())
            .orElse(1);
    return of(Collections.nCopies(models, architecture), moments);
  }

  /**
   * Models that may differ in width.
   *
   * @param architectures of each model, with the same spaces
   * @throws IncompatibleModelsException as above, and when models have other spaces than the first
   */
  public static AlignmentProblem of(List<Architecture> architectures, Moments moments) {
    if (architectures.isEmpty()) {
      throw new IllegalArgumentException("there is no model to align");
    }
    List<String> problems = new ArrayList<>();
    List<String> ids = ids(architectures.get(0));
    for (int k = 1; k < architectures.size(); k++) {
      if (!ids(architectures.get(k)).equals(ids)) {
        problems.add(
            "model " + k + " has spaces " + ids(architectures.get(k)) + ", model 0 has " + ids);
      }
    }
    if (problems.isEmpty()) {
      ids.forEach(id -> check(id, architectures, moments, problems));
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("statistics do not fit the architecture", problems);
    }
    return new AlignmentProblem(architectures, moments);
  }

  /** Models of one architecture, for methods that need no data: there are no moments. */
  public static AlignmentProblem of(Architecture architecture, int models) {
    return new AlignmentProblem(Collections.nCopies(models, architecture), Moments.of(Map.of()));
  }

  private static List<String> ids(Architecture architecture) {
    return architecture.spaces().stream().map(FeatureSpace::id).toList();
  }

  private static void check(
      String id, List<Architecture> architectures, Moments moments, List<String> problems) {
    String where = "space '" + id + "'";
    if (!moments.spaces().contains(id)) {
      problems.add(where + " has no statistics");
      return;
    }
    SpaceMoments found = moments.space(id);
    for (int k = 0; k < Math.min(found.models(), architectures.size()); k++) {
      long width = architectures.get(k).space(id).width();
      if (found.width(k) != width) {
        problems.add(
            where
                + ", model "
                + k
                + ": statistics of "
                + found.width(k)
                + " features, the architecture has "
                + width);
      }
    }
    if (found.models() != architectures.size()) {
      problems.add(
          where
              + ": statistics of "
              + found.models()
              + " models, the first space has "
              + architectures.size());
    }
    if (found.samples() < 2) {
      problems.add(where + ": " + found.samples() + " samples, at least 2 are needed");
    }
  }

  /** Of the reference. */
  public Architecture architecture() {
    return architectures.get(0);
  }

  /** Number of models, the reference included; 1 for an architecture without spaces. */
  public int models() {
    return architectures.size();
  }
}
