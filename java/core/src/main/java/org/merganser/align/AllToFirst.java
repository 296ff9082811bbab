// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.stats.SpaceMoments;

/** The plan of most methods: every model is aligned to model 0, space by space. */
final class AllToFirst {
  /** Finds the map of one space of one model. */
  @FunctionalInterface
  interface SpaceMethod {
    SpaceAlignment align(FeatureSpace space, SpaceMoments moments, int model, Workspace ws);
  }

  private AllToFirst() {}

  static AlignmentSet align(
      String method, AlignmentProblem problem, SpaceMethod spaceMethod, Workspace ws) {
    List<Alignment> alignments = new ArrayList<>();
    long done = 0;
    long total = (long) (problem.models() - 1) * problem.architecture().spaces().size();
    try (Opened maps = new Opened()) {
      for (int model = 0; model < problem.models(); model++) {
        Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
        for (FeatureSpace space : problem.architecture().spaces()) {
          ws.cancellation().check();
          if (model == 0 || space.symmetry() == MapFamily.FIXED) {
            spaces.put(space.id(), SpaceAlignment.identity(space.width()));
          } else {
            SpaceMoments moments = problem.moments().space(space.id());
            SpaceAlignment found = named(spaceMethod, space, moments, model, ws);
            maps.add(found.map());
            spaces.put(space.id(), found);
            ws.progress().report("align " + method, ++done, total);
          }
        }
        alignments.add(new Alignment(method, problem.architecture(), spaces));
      }
      maps.release();
      return new AlignmentSet(alignments);
    }
  }

  /** Solvers know matrices only; their messages get the name of the space here. */
  private static SpaceAlignment named(
      SpaceMethod method, FeatureSpace space, SpaceMoments moments, int model, Workspace ws) {
    try {
      return method.align(space, moments, model, ws);
    } catch (NumericalException e) {
      if (e.getMessage().contains(space.id())) {
        throw e;
      }
      throw new NumericalException(
          "space \"" + space.id() + "\", model " + model + ": " + e.getMessage(), e);
    }
  }
}
