// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Aligner.Trait;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.model.Architecture;
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
      Aligner aligner, AlignmentProblem problem, SpaceMethod spaceMethod, Workspace ws) {
    requireWidths(aligner, problem);
    return align(aligner.id(), aligner.text(), problem, spaceMethod, ws);
  }

  static AlignmentSet align(
      String method, AlignmentProblem problem, SpaceMethod spaceMethod, Workspace ws) {
    return align(method, method, problem, spaceMethod, ws);
  }

  private static AlignmentSet align(
      String id, String method, AlignmentProblem problem, SpaceMethod spaceMethod, Workspace ws) {
    List<Alignment> alignments = new ArrayList<>();
    long done = 0;
    long total = (long) (problem.models() - 1) * problem.architecture().spaces().size();
    try (Opened maps = new Opened()) {
      for (int model = 0; model < problem.models(); model++) {
        Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
        Architecture architecture = problem.architectures().get(model);
        for (FeatureSpace space : architecture.spaces()) {
          ws.cancellation().check();
          if (model == 0 || space.symmetry() == MapFamily.FIXED) {
            spaces.put(space.id(), SpaceAlignment.identity(space.width()));
          } else {
            SpaceMoments moments = problem.moments().space(space.id());
            SpaceAlignment found = named(spaceMethod, space, moments, model, ws);
            maps.add(found.map());
            spaces.put(space.id(), found);
            ws.progress().report("align " + id, ++done, total);
          }
        }
        alignments.add(new Alignment(method, architecture, problem.architecture(), spaces));
      }
      maps.release();
      return new AlignmentSet(alignments);
    }
  }

  /** Refuses models of other widths than the reference unless the method takes them. */
  static void requireWidths(Aligner aligner, AlignmentProblem problem) {
    List<String> problems = new ArrayList<>();
    for (int k = 1; k < problem.models() && !aligner.traits().contains(Trait.ANY_WIDTHS); k++) {
      for (FeatureSpace space : problem.architectures().get(k).spaces()) {
        long wanted = problem.architecture().space(space.id()).width();
        if (space.width() != wanted) {
          problems.add(
              "space '"
                  + space.id()
                  + "', model "
                  + k
                  + ": "
                  + space.width()
                  + " features, the reference has "
                  + wanted);
        }
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "method '" + aligner.id() + "' aligns models of equal widths only", problems);
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
