// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Select, calculate, erase: of the differences to the base, {@code d_k = theta_k - b},
 *
 * <pre>
 *   select      the elements whose variance over the models is largest: trunc(select-topk nz) of
 *               the nz that have one; of equal ones those of lowest index
 *   calculate   w_k = mean d_k^2 / sum_j mean d_j^2 over the tensor, of what is selected
 *   erase       the d_k that have not the sign of sum_k d_k, 0 counting as +
 *   theta       b + sum w_k d_k / max(sum w_k, 1e-6), of what is left
 * </pre>
 *
 * <p>With {@code select-topk} 1 everything is selected. Weights are equal where {@code sum_j mean
 * d_j^2} is below {@code uniform-below}: mergekit's 1e-6 is above what short fine-tuning of large
 * models changes, so there they always are; 0 is the formula of the paper.
 *
 * <p>In F32 (F64 for F64), sums in F64, rounded once. Two passes; with {@code select-topk} below 1
 * those that select, too.
 *
 * <p>Source: Wan et al. 2024, "FuseChat: Knowledge Fusion of Chat Models"; as in mergekit.
 */
public final class SceMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(
              value = "share of the elements that differ between models to select",
              above = 0,
              max = 1,
              varies = true)
          double selectTopk,
      @Setting(
              value = "sum of the mean squares below which weights are equal",
              min = 0,
              varies = true)
          double uniformBelow) {
    public Options {
      Settings.check(Options.class, selectTopk, uniformBelow);
    }

    /** Everything selected, equal weights below 1e-6. */
    public static Options defaults() {
      return new Options(1, 1e-6);
    }

    public Options withSelectTopk(double value) {
      return new Options(value, uniformBelow);
    }

    public Options withUniformBelow(double value) {
      return new Options(selectTopk, value);
    }
  }

  private final Options options;

  private SceMerger(Options options) {
    this.options = options;
  }

  public static SceMerger of(Options options) {
    return new SceMerger(options);
  }

  @Override
  public String id() {
    return "sce";
  }

  @Override
  public String summary() {
    return "differences to a base where models vary, those of the elected sign weighted by their"
        + " squares";
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
    return options.selectTopk() < 1
        ? RankedElements.demand(info, 1, 2, models + 1)
        : Demand.passes(2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    Threshold selected = options.selectTopk() < 1 ? selected(group, ws) : null;
    double[] none = Formulas.parameters(0, 0, new double[group.models()]);
    double[] weights = Formulas.sums(group, FormulaSum.SQUARES, none, selected, ws);
    double sum = 0;
    for (int k = 0; k < weights.length; k++) {
      weights[k] /= Math.max(1, group.info().size());
      sum += weights[k];
    }
    if (!Double.isFinite(sum)) {
      throw new IllegalArgumentException(
          id()
              + ": the squares of the differences in "
              + Names.quote(group.name())
              + " are beyond the range of F64; take another method for it");
    }
    boolean equal = sum < options.uniformBelow() || sum == 0;
    for (int k = 0; k < weights.length; k++) {
      weights[k] = equal ? 1.0 / weights.length : weights[k] / sum;
    }
    Formula formula = selected == null ? Formula.SCE : Formula.SCE_SELECTED;
    return Formulas.merge(formula, Formulas.parameters(0, 0, weights), selected);
  }

  private Threshold selected(Group group, Workspace ws) throws IOException {
    double[] none = new double[group.models() + 2];
    RankedElements variances =
        new RankedElements(group, Formulas.widened(Formula.VARIANCE, none), ws);
    long count = (long) (options.selectTopk() * variances.positive());
    return count == 0 ? new Threshold(Double.POSITIVE_INFINITY, -1) : variances.largest(count)[0];
  }

  @Override
  public String toString() {
    return id() + " with select-topk " + options.selectTopk();
  }
}
