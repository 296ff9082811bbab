// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.align.FeatureMap;
import org.merganser.align.LinearMap;
import org.merganser.align.PermutationAligner;
import org.merganser.align.ProcrustesAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.stats.Moments;
import org.merganser.testing.MisuseRound.Held;

/** Calls about alignments, their views and their maps. */
final class AlignmentMisuse extends MisusePool {
  private static final Architecture ARCHITECTURE =
      Architecture.builder()
          .space("s", 3, MapFamily.ANY_LINEAR, Binding.of("w", 0, Role.WEIGHT_OUT))
          .build();

  AlignmentMisuse(MisusePool shared) {
    super(shared, shared.random);
  }

  /** A permutation of three features, as such or as a dense map; its values are the order. */
  void make() throws Exception {
    int shift = random.nextInt(3);
    int[] order = {shift, (shift + 1) % 3, (shift + 2) % 3};
    FeatureMap map = ScaledPermutation.of(order);
    if (oneIn(2)) {
      try (FeatureMap inverse = map.inverse()) {
        map = LinearMap.of(map.toMatrix(Work.WS), inverse.toMatrix(Work.WS));
      }
    }
    Alignment alignment = Alignment.of("planted", ARCHITECTURE, Map.of("s", map));
    add(alignments, new Held<>(alignment, new double[] {order[0], order[1], order[2]}, null));
  }

  /** Finds maps from statistics. */
  void align() throws Exception {
    Held<Moments> found = any(moments);
    Held<Workspace> ws = any(workspaces);
    Aligner aligner =
        switch (random.nextInt(3)) {
          case 0 -> PermutationAligner.byCorrelation();
          case 1 -> CcaAligner.relativeGamma(1);
          default -> ProcrustesAligner.orthogonal();
        };
    boolean good = found != null && found.values[0] == 3 && found.object.space("s").samples() >= 2;
    round.call(
        () -> "align by " + aligner.id(),
        good,
        true,
        using(found, ws),
        () -> {
          AlignmentProblem problem = AlignmentProblem.of(ARCHITECTURE, of(found));
          try (AlignmentSet set = aligner.align(problem, of(ws))) {
            return set.size() == 2 && set.of(1).map("s").width() == 3;
          }
        });
  }

  void inverse() throws Exception {
    Held<Alignment> a = any(alignments);
    round.call(
        () -> "inverse of " + of(a),
        true,
        false,
        using(a),
        () -> {
          double[] values = new double[3];
          for (int r = 0; r < 3; r++) {
            values[(int) a.values[r]] = r;
          }
          add(alignments, new Held<>(a.object.inverse(), values, a));
          return true;
        });
  }

  void read() {
    Held<Alignment> a = any(alignments);
    Held<Workspace> ws = any(workspaces);
    round.call(
        () -> "read a model mapped by " + of(a),
        true,
        true,
        using(a, ws),
        () -> {
          try (MemoryCheckpoint model =
                  MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {5, 6, 7}, 3)));
              Tensor mapped = a.object.apply(model).read("w", of(ws))) {
            return isOrdered(mapped.toDoubleArray(), a.values);
          }
        });
  }

  private static boolean isOrdered(double[] found, double[] order) {
    for (int r = 0; r < 3; r++) {
      if (found[r] != 5 + order[r]) {
        return false;
      }
    }
    return true;
  }

  /** {@code T^-1 T} as a map of its own. */
  void compose() {
    Held<Alignment> a = any(alignments);
    Held<Workspace> ws = any(workspaces);
    boolean dense = a != null && a.object.spaces().get("s").map() instanceof LinearMap;
    round.call(
        () -> "compose maps of " + of(a),
        true,
        dense,
        dense ? using(a, ws) : using(a),
        () -> {
          FeatureMap map = a.object.map("s");
          try (FeatureMap inverse = map.inverse();
              FeatureMap round = map.then(inverse, of(ws));
              Matrix matrix = round.toMatrix(of(ws))) {
            double[][] found = Work.array(matrix);
            return found[0][0] == 1 && found[1][2] == 0;
          }
        });
  }
}
