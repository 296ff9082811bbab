// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Of each element the difference to the base that is largest in magnitude, of equal ones the last
 * model's: {@code theta = b + scaling d_k}, {@code k} the last of {@code max |d_k|}, {@code d_k =
 * theta_k - b}.
 *
 * <p>In F32 (F64 for F64), rounded once. One pass. With {@code scaling} 1, equal models give
 * themselves.
 *
 * <p>Source: Marczak et al. 2024, "MagMax: Leveraging Model Merging for Seamless Continual
 * Learning".
 */
public final class MagMaxMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "times the largest difference", varies = true) double scaling) {
    public Options {
      Settings.check(Options.class, scaling);
    }

    /** Half of the difference. */
    public static Options defaults() {
      return new Options(0.5);
    }

    public Options withScaling(double value) {
      return new Options(value);
    }
  }

  private final Options options;

  private MagMaxMerger(Options options) {
    this.options = options;
  }

  public static MagMaxMerger of(Options options) {
    return new MagMaxMerger(options);
  }

  @Override
  public String id() {
    return "magmax";
  }

  @Override
  public String summary() {
    return "the difference to a base of largest magnitude, element by element";
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
    double[] parameters = Formulas.parameters(options.scaling(), 0, new double[group.models()]);
    return Formulas.merge(Formula.MAGMAX, parameters);
  }

  @Override
  public String toString() {
    return id() + " with scaling " + options.scaling();
  }
}
