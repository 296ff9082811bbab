// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.merganser.align.SpaceAlignment.Evidence;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/**
 * CCA Merge: maps features through their canonical correlations, so that a feature of one model may
 * be spread over several of the other.
 *
 * <pre>
 *   X = Sxx + gx I,  Y = Syy + gy I,  X^-1/2 Sxy Y^-1/2 = U S V^T
 *   T = X^1/2 U V^T Y^-1/2,   T^-1 = Y^1/2 V U^T X^-1/2
 * </pre>
 *
 * x the reference's activations, y the model's; {@code g} absolute, or relative: {@code gx = g
 * trace(Sxx)/n}, which does not depend on the scale of the activations. At g = 0 the aligned
 * covariance {@code T Syy T^T} equals Sxx; as g grows T tends to orthogonal Procrustes (scaled,
 * when g is relative). If {@code y = Q x} with Q orthogonal, {@code T = Q^T} for every g.
 *
 * <p>Not exact through ReLU: merged models are judged by their own accuracy. Use activations after
 * the nonlinearity. Fails when a model has no variance at all, or with g = 0 and fewer samples than
 * features. The score is the mean canonical correlation. Cost about 30 n^3 flops a space.
 *
 * <p>Source: Horoi, Maldonado, Cervantes, Wolf and Belilovsky 2024, "Harmony in Diversity: Merging
 * Neural Networks with Canonical Correlation Analysis" (arXiv 2407.05385).
 */
public final class CcaAligner implements Aligner {
  /** Own blocks of all models and their blocks with the reference. */
  public static final StatisticsRequest REQUEST =
      StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS);

  /** Settings. */
  public record Options(
      @Setting(value = "regulariser of both covariances", min = 0) double gamma,
      @Setting("gamma in mean variances of each side, or in units of variance as published")
          Unit unit) {
    public Options {
      Settings.check(Options.class, gamma, unit);
    }

    /** Relative gamma 1. */
    public static Options defaults() {
      return new Options(1, Unit.RELATIVE);
    }

    public Options withGamma(double value) {
      return new Options(value, unit);
    }

    public Options withUnit(Unit value) {
      return new Options(gamma, value);
    }
  }

  private final Options options;
  private final Regulariser gamma;

  private CcaAligner(Options options) {
    this.options = options;
    this.gamma = new Regulariser("gamma", options.gamma(), options.unit());
  }

  public static CcaAligner relativeGamma(double gamma) {
    return new CcaAligner(new Options(gamma, Unit.RELATIVE));
  }

  public static CcaAligner absoluteGamma(double gamma) {
    return new CcaAligner(new Options(gamma, Unit.ABSOLUTE));
  }

  public static CcaAligner of(Options options) {
    return new CcaAligner(options);
  }

  @Override
  public String id() {
    return "cca";
  }

  @Override
  public String summary() {
    return "features mapped through canonical correlations (CCA Merge)";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Set<Trait> traits() {
    Set<Trait> traits =
        EnumSet.of(
            Trait.NEEDS_DATA,
            Trait.INVERTIBLE,
            Trait.KEEPS_EQUAL_MODELS,
            Trait.UNDOES_PERMUTATIONS,
            Trait.UNDOES_ROTATIONS);
    if (options.unit() == Unit.RELATIVE || options.gamma() == 0) {
      traits.add(Trait.UNDOES_SCALE);
      traits.add(Trait.IGNORES_UNIT);
    }
    if (options.gamma() == 0) {
      traits.add(Trait.UNDOES_FEATURE_SCALES);
    }
    return traits;
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return REQUEST;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    return AllToFirst.align(this, problem, this::alignSpace, ws);
  }

  private SpaceAlignment alignSpace(
      FeatureSpace space, SpaceMoments moments, int model, Workspace ws) {
    gamma.requireSamples(moments.samples(), space.width(), "space \"" + space.id() + "\"");
    try (Matrix sxx = moments.covariance(0, 0, ws);
        Matrix syy = moments.covariance(model, model, ws);
        Matrix sxy = moments.covariance(0, model, ws);
        Opened opened = new Opened()) {
      double gammaX = gamma(sxx, space, 0, ws);
      double gammaY = gamma(syy, space, model, ws);
      Cca cca = opened.add(Cca.map(sxx, syy, sxy, gammaX, gammaY, ws));
      double[] correlations = cca.correlations();
      double mean = Arrays.stream(correlations).average().orElse(0);
      FeatureMap map = LinearMap.of(cca.map(), cca.inverse());
      // Gamma shrinks canonical correlations, not those of the features mapped.
      double fit =
          Arrays.stream(MatchedCorrelation.of(moments, model, map, ws)).average().orElse(0);
      opened.release();
      return new SpaceAlignment(
          map,
          mean,
          correlations,
          cca.completion(),
          Evidence.dense(moments.samples(), space.width(), fit));
    }
  }

  private double gamma(Matrix covariance, FeatureSpace space, int model, Workspace ws) {
    String where = "space \"" + space.id() + "\", model " + model;
    return gamma.of(
        covariance.trace(ws), space.width(), where, "nothing can be correlated with them");
  }
}
