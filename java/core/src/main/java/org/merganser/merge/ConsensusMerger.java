// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The sum of the differences to the base, {@code d = sum_k d_k}, only where it matters to several
 * models: {@code k} needs an element (its TALL mask) where
 *
 * <pre>
 *   |d_k| >= lambda_k |d - d_k|
 *   theta = b + scaling d   where agree models or more need it, else b
 * </pre>
 *
 * <p>what matters to one model only, or to none, is left out. In F32 (F64 for F64), rounded once.
 * One pass. Equal models give themselves with {@code scaling} 1/n.
 *
 * <p>The paper takes {@code lambda} from 0.2 to 0.6 and {@code scaling} by validation; the defaults
 * are the middle of the former, and the 0.3 of task arithmetic.
 *
 * <p>Source: Wang et al. 2024, "Localizing Task Information for Improved Model Merging and
 * Compression".
 */
public final class ConsensusMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(
              value =
                  "share of the others' sum that a difference must reach, for each model or all",
              min = 0,
              varies = true)
          List<Double> lambda,
      @Setting(value = "models that must need an element", min = 1, max = 32, varies = true)
          int agree,
      @Setting(value = "times the sum of the differences", varies = true) double scaling) {
    public Options {
      lambda = List.copyOf(lambda);
      Settings.check(Options.class, lambda, agree, scaling);
      if (lambda.isEmpty()) {
        throw new IllegalArgumentException(
            "lambda must be one for all, or one for each model, not none");
      }
    }

    /** Lambda 0.4, two models, scaling 0.3. */
    public static Options defaults() {
      return new Options(List.of(0.4), 2, 0.3);
    }

    public Options withLambda(List<Double> values) {
      return new Options(values, agree, scaling);
    }

    public Options withAgree(int value) {
      return new Options(lambda, value, scaling);
    }

    public Options withScaling(double value) {
      return new Options(lambda, agree, value);
    }
  }

  private final Options options;

  private ConsensusMerger(Options options) {
    this.options = options;
  }

  public static ConsensusMerger of(Options options) {
    return new ConsensusMerger(options);
  }

  @Override
  public String id() {
    return "consensus";
  }

  @Override
  public String summary() {
    return "the sum of differences to a base where it matters to several models (TALL masks)";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return TaskVectors.needs(2);
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    if (options.lambda().size() > 1) {
      Weights.require("lambdas", options.lambda(), models);
    }
    if (options.agree() > models) {
      throw new IllegalArgumentException(
          id() + ": agree " + options.agree() + " is more than the " + models + " models");
    }
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    List<Double> given = options.lambda();
    double[] lambda =
        Weights.of(given.size() == 1 ? List.of() : given, group.models(), given.get(0));
    return Formulas.merge(
        Formula.CONSENSUS, Formulas.parameters(options.scaling(), options.agree(), lambda));
  }

  @Override
  public String toString() {
    return id() + " with lambda " + options.lambda() + ", agree " + options.agree();
  }
}
