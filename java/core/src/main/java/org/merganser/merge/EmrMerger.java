// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Elect, mask, rescale: what the models have in common, made into one of them again. Of the
 * differences to the base, {@code d_k = theta_k - b},
 *
 * <pre>
 *   elect     u = s max |d_k| over the d_k of sign s, s = + where sum_k d_k > 0, else -
 *   mask      m_t = [d_t has sign s]
 *   rescale   r_t = sum over tensors of mean |d_t| / sum over tensors of mean |m_t u|
 *   theta_t   b + r_t m_t u
 * </pre>
 *
 * <p>Each task has its model, from a mask of a bit for each parameter and a number: {@code task}
 * says which. {@code r_t} is 1 where the masks leave nothing. In F32 (F64 for F64), sums in F64,
 * rounded once. Two passes; the first goes through all tensors before any is merged.
 *
 * <p>Source: Huang et al. 2024, "EMR-Merging: Tuning-Free High-Performance Model Merging".
 */
public final class EmrMerger extends TensorMerger {
  /** Settings. */
  public record Options(@Setting(value = "the model to make, from 0", min = 0, max = 31) int task) {
    public Options {
      Settings.check(Options.class, task);
    }

    /** The first model. */
    public static Options defaults() {
      return new Options(0);
    }

    public Options withTask(int value) {
      return new Options(value);
    }
  }

  private final Options options;
  private final double rescaler;

  private EmrMerger(Options options, double rescaler) {
    this.options = options;
    this.rescaler = rescaler;
  }

  public static EmrMerger of(Options options) {
    return new EmrMerger(options, 1);
  }

  @Override
  public String id() {
    return "emr";
  }

  @Override
  public String summary() {
    return "what models share over a base, masked and scaled to be one of them";
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
  protected void check(String name, TensorInfo info, int models) {
    if (options.task() >= models) {
      throw new IllegalArgumentException(
          id() + ": task " + options.task() + " of " + models + " models, counted from 0");
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(2);
  }

  @Override
  protected boolean isOverModel() {
    return true;
  }

  @Override
  protected TensorMerger overModel(List<Group> groups, Workspace ws) throws IOException {
    double all = 0;
    double kept = 0;
    for (Group group : groups) {
      double[] none = new double[group.models() + 2];
      double[] sums = Formulas.sums(group, FormulaSum.AGREEMENT, none, null, ws);
      double n = Math.max(1, group.info().size());
      all += sums[2 * options.task()] / n;
      kept += sums[2 * options.task() + 1] / n;
    }
    return new EmrMerger(options, kept == 0 ? 1 : all / kept);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    return Formulas.merge(
        Formula.EMR, Formulas.parameters(options.task(), rescaler, new double[group.models()]));
  }

  @Override
  public String toString() {
    return id() + " for model " + options.task();
  }
}
