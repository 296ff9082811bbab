// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.merganser.align.SpaceAlignment.Evidence;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar.Completion;
import org.merganser.method.Setting;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/**
 * Matches features one to one by their activations: the permutation that maximises {@code sum_r
 * C[r, perm[r]]}, C being the Pearson correlation (or covariance) of reference feature r and model
 * feature c, by exact linear assignment.
 *
 * <p>Exact through elementwise nonlinearities and normalisation. Invariant to the scale of the
 * activations with {@link Kind#CORRELATION}. Dead features correlate with nothing and are matched
 * in index order with what is left. The score is the mean matched correlation. Cost O(n^3) at
 * worst.
 *
 * <p>Source: Li et al. 2015, "Convergent Learning"; in merging: Ainsworth et al. 2022 and Jordan et
 * al. 2022.
 */
public final class PermutationAligner implements Aligner {
  /** Cross-correlation with the reference. */
  public static final StatisticsRequest REQUEST = StatisticsRequest.of(Part.REFERENCE_CROSS);

  /** What is maximised. */
  public enum Kind {
    CORRELATION,
    COVARIANCE
  }

  /** Settings. */
  public record Options(@Setting("what the matching maximises") Kind kind) {
    /** By correlation. */
    public static Options defaults() {
      return new Options(Kind.CORRELATION);
    }

    public Options withKind(Kind value) {
      return new Options(value);
    }
  }

  private final Options options;

  private PermutationAligner(Options options) {
    this.options = options;
  }

  /** Matches by correlation. */
  public static PermutationAligner byCorrelation() {
    return new PermutationAligner(Options.defaults());
  }

  public static PermutationAligner of(Options options) {
    return new PermutationAligner(options);
  }

  @Override
  public String id() {
    return "permutation";
  }

  @Override
  public String summary() {
    return "features matched one to one";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Set<Trait> traits() {
    return EnumSet.of(
        Trait.NEEDS_DATA,
        Trait.INVERTIBLE,
        Trait.ONE_TO_ONE,
        Trait.KEEPS_EQUAL_MODELS,
        Trait.UNDOES_PERMUTATIONS,
        Trait.IGNORES_UNIT);
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return REQUEST;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    return AllToFirst.align(this, problem, this::alignSpace, ws);
  }

  /** Finds the permutation of one space. */
  SpaceAlignment alignSpace(FeatureSpace space, SpaceMoments moments, int model, Workspace ws) {
    try (Matrix correlation = moments.correlation(0, model, ws)) {
      int[] permutation = best(correlation, moments, model, ws).columns();
      matchDeadInOrder(permutation, moments.dead(0));
      double[] matched = SpaceAlignment.decreasing(correlation.entries(permutation, ws));
      double mean = Arrays.stream(matched).average().orElse(0);
      return new SpaceAlignment(
          ScaledPermutation.of(permutation),
          mean,
          matched,
          Completion.NONE,
          Evidence.oneToOne(moments.samples(), space.width(), mean));
    }
  }

  private Assignment best(Matrix correlation, SpaceMoments moments, int model, Workspace ws) {
    if (options.kind() == Kind.CORRELATION) {
      return Assignment.maximise(correlation, ws);
    }
    try (Matrix covariance = moments.covariance(0, model, ws)) {
      return Assignment.maximise(covariance, ws);
    }
  }

  /**
   * Hands the columns that dead reference features got to them again in index order. They fit all
   * columns alike, so the solver may have swapped them, and a model would not be mapped to itself.
   */
  private static void matchDeadInOrder(int[] permutation, boolean[] dead) {
    int[] rows = IntStream.range(0, dead.length).filter(r -> dead[r]).toArray();
    int[] columns = IntStream.of(rows).map(r -> permutation[r]).sorted().toArray();
    for (int i = 0; i < rows.length; i++) {
      permutation[rows[i]] = columns[i];
    }
  }
}
