// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.EnumSet;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;

/**
 * Matches features one to one by correlation, as {@link PermutationAligner} does, and gives each
 * the deviation of its partner: {@code T[r, perm[r]] = sd(x_r) / sd(y_perm[r])}.
 *
 * <p>Positive scales are exact through ReLU and maxima, not through other nonlinearities; a
 * normalisation undoes them but for its epsilon. Invariant to the scale of every feature. A pair of
 * which one never varies keeps scale 1. The score is the mean matched correlation. Cost O(n^3) at
 * worst.
 */
public final class PermutationScaledAligner implements Aligner {
  /** Cross-correlation with the reference; variances come with any request. */
  public static final StatisticsRequest REQUEST = PermutationAligner.REQUEST;

  private static final PermutationAligner MATCHING = PermutationAligner.byCorrelation();

  @Override
  public String id() {
    return "permutation-scaled";
  }

  @Override
  public String summary() {
    return "features matched one to one, deviations matched too";
  }

  @Override
  public Set<Trait> traits() {
    return EnumSet.of(
        Trait.NEEDS_DATA,
        Trait.INVERTIBLE,
        Trait.ONE_TO_ONE,
        Trait.KEEPS_EQUAL_MODELS,
        Trait.UNDOES_PERMUTATIONS,
        Trait.UNDOES_SCALE,
        Trait.UNDOES_FEATURE_SCALES,
        Trait.IGNORES_UNIT);
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return REQUEST;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    return AllToFirst.align(this, problem, PermutationScaledAligner::alignSpace, ws);
  }

  private static SpaceAlignment alignSpace(
      FeatureSpace space, SpaceMoments moments, int model, Workspace ws) {
    SpaceAlignment matched = MATCHING.alignSpace(space, moments, model, ws);
    int[] permutation = ((ScaledPermutation) matched.map()).permutation();
    double[] reference = moments.variance(0);
    double[] own = moments.variance(model);
    boolean[] dead = moments.dead(0);
    boolean[] ownDead = moments.dead(model);
    double[] scales = new double[permutation.length];
    for (int r = 0; r < scales.length; r++) {
      int c = permutation[r];
      // The roots apart: the ratio of two variances may overflow or underflow.
      scales[r] = dead[r] || ownDead[c] ? 1 : Math.sqrt(reference[r]) / Math.sqrt(own[c]);
    }
    return new SpaceAlignment(
        ScaledPermutation.of(permutation, scales),
        matched.score(),
        matched.spectrum(),
        matched.completion(),
        matched.evidence());
  }
}
