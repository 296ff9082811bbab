// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Extrapolation from a base through a model: {@code theta = x + alpha (x - b)}, which is {@code (1
 * - t) b + t x} with {@code t = 1 + alpha}; {@code alpha} below 0 lies between the two.
 *
 * <p>As {@link TaskArithmeticMerger} of one model with lambda {@code 1 + alpha}. One pass.
 *
 * <p>Source: Zheng et al. 2024, "Weak-to-Strong Extrapolation Expedites Alignment" (ExPO).
 */
public final class ExpoMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "how far beyond the model, 0 being the model and -1 the base", varies = true)
          double alpha) {
    public Options {
      Settings.check(Options.class, alpha);
    }

    /** Alpha 0.3. */
    public static Options defaults() {
      return new Options(0.3);
    }

    public Options withAlpha(double value) {
      return new Options(value);
    }
  }

  private final Options options;

  private ExpoMerger(Options options) {
    this.options = options;
  }

  public static ExpoMerger of(Options options) {
    return new ExpoMerger(options);
  }

  @Override
  public String id() {
    return "expo";
  }

  @Override
  public String summary() {
    return "the line from a base through a model, beyond it";
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
    return TaskVectors.merge(
        new Task[] {Task.weighted(1)}, new Mix(false, false, 1 + options.alpha()));
  }

  @Override
  public String toString() {
    return id() + " with alpha " + options.alpha();
  }
}
