// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * A model drawn to its base, the more the further an element lies from it:
 *
 * <pre>
 *   theta = w x + (1 - w) b,   w = min(t / max(|x - b|, 1e-6), 1)
 * </pre>
 *
 * <p>so elements within {@code t} of the base are the model's, and others move {@code t} from it.
 * In F32 (F64 for F64), rounded once. One pass.
 *
 * <p>mergekit has no default for {@code t}, and rounds each operation to the type of the models.
 *
 * <p>Source: alchemonaut 2024, "QuartetAnemoi-70B-t0.0001", whose {@code t} is the default.
 */
public final class NearSwapMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "the most by which an element leaves the base", min = 0, varies = true)
          double t) {
    public Options {
      Settings.check(Options.class, t);
    }

    /** t 0.0001. */
    public static Options defaults() {
      return new Options(1e-4);
    }

    public Options withT(double value) {
      return new Options(value);
    }
  }

  private final Options options;

  private NearSwapMerger(Options options) {
    this.options = options;
  }

  public static NearSwapMerger of(Options options) {
    return new NearSwapMerger(options);
  }

  @Override
  public String id() {
    return "nearswap";
  }

  @Override
  public String summary() {
    return "a model where it is near its base, little more than the base elsewhere";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return TaskVectors.ONE;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    return Formulas.merge(Formula.NEARSWAP, new double[] {options.t(), 0, 0});
  }

  @Override
  public String toString() {
    return id() + " with t " + options.t();
  }
}
