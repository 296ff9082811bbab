// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * As {@link RamMerger}, what model k has alone being multiplied by
 *
 * <pre>
 *   1 + r clip(shared_k / max(unique_k, epsilon), 0, alpha)
 * </pre>
 *
 * <p>where {@code shared_k} and {@code unique_k} are how many elements of the tensor are active in
 * k and in others, or in k alone: what others dilute is made up for. Counts are exact (mergekit's
 * factors are in F32). Two passes.
 *
 * <p>Source: "Reinforced Agent Merging", arXiv 2601.13572, the form that looks at each tensor by
 * itself; as in mergekit.
 */
public final class RamPlusMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "how strongly what one model has alone is amplified", varies = true)
          double r,
      @Setting(value = "the most that shared over unique counts for", min = 0, varies = true)
          double alpha,
      @Setting(value = "the magnitude above which a difference is active", above = 0, varies = true)
          double epsilon) {
    public Options {
      Settings.check(Options.class, r, alpha, epsilon);
    }

    /** R 0.1, alpha 0.2, epsilon 1e-5. */
    public static Options defaults() {
      return new Options(0.1, 0.2, 1e-5);
    }

    public Options withR(double value) {
      return new Options(value, alpha, epsilon);
    }

    public Options withAlpha(double value) {
      return new Options(r, value, epsilon);
    }

    public Options withEpsilon(double value) {
      return new Options(r, alpha, value);
    }
  }

  private final Options options;

  private RamPlusMerger(Options options) {
    this.options = options;
  }

  public static RamPlusMerger of(Options options) {
    return new RamPlusMerger(options);
  }

  @Override
  public String id() {
    return "ramplus-tl";
  }

  @Override
  public String summary() {
    return "differences averaged over the models that have one, those of one alone amplified";
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
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    double epsilon = options.epsilon();
    double[] parameters = RamMerger.parameters(epsilon, group.models());
    double[] counts = Formulas.sums(group, FormulaSum.ACTIVE, parameters, null, ws);
    double[] factors = new double[group.models()];
    for (int k = 0; k < factors.length; k++) {
      double ratio = counts[2 * k] / Math.max(counts[2 * k + 1], epsilon);
      factors[k] = 1 + options.r() * Math.min(ratio, options.alpha());
    }
    return Formulas.merge(Formula.RAM, Formulas.parameters(epsilon, 0, factors));
  }

  @Override
  public String toString() {
    return id() + " with r " + options.r() + ", alpha " + options.alpha();
  }
}
