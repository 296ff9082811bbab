// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Differences to the base, {@code d_k = theta_k - b}, that several models share are averaged, and
 * those of one alone are kept: over the models with {@code |d_k| > epsilon}, the active ones,
 *
 * <pre>
 *   theta = b + sum d_k / count
 * </pre>
 *
 * <p>and {@code b} where there is none. In F32 (F64 for F64), rounded once (mergekit divides each
 * {@code d_k}). One pass. {@link RamPlusMerger} amplifies what one model has alone.
 *
 * <p>Source: "Reinforced Agent Merging", arXiv 2601.13572; as in mergekit.
 */
public final class RamMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "the magnitude above which a difference is active", min = 0, varies = true)
          double epsilon) {
    public Options {
      Settings.check(Options.class, epsilon);
    }

    /** Epsilon 1e-5. */
    public static Options defaults() {
      return new Options(1e-5);
    }

    public Options withEpsilon(double value) {
      return new Options(value);
    }
  }

  private final Options options;

  private RamMerger(Options options) {
    this.options = options;
  }

  public static RamMerger of(Options options) {
    return new RamMerger(options);
  }

  @Override
  public String id() {
    return "ram";
  }

  @Override
  public String summary() {
    return "differences to a base averaged over the models that have one";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return TaskVectors.NEEDS;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    return Formulas.merge(Formula.RAM, parameters(options.epsilon(), group.models()));
  }

  /** With a factor of 1 for what a model has alone. */
  static double[] parameters(double epsilon, int models) {
    double[] ones = new double[models];
    Arrays.fill(ones, 1);
    return Formulas.parameters(epsilon, 0, ones);
  }

  @Override
  public String toString() {
    return id() + " with epsilon " + options.epsilon();
  }
}
