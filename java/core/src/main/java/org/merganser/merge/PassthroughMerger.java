// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import java.util.OptionalInt;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * One model, as it is or times a number: {@code theta = scale x}, with which layers are stacked.
 *
 * <p>With scale 1 the bytes of the model, whatever they are. One pass. The scale is a list of one,
 * as it belongs to the model: recipes give it there.
 */
public final class PassthroughMerger extends TensorMerger {
  /** Settings. */
  public record Options(@Setting(value = "times the model", varies = true) List<Double> scale) {
    public Options {
      scale = List.copyOf(scale);
      Settings.check(Options.class, scale);
      if (scale.size() != 1) {
        throw new IllegalArgumentException("scale must be one number, not " + scale);
      }
    }

    /** As it is. */
    public static Options defaults() {
      return new Options(List.of(1.0));
    }

    public Options withScale(double value) {
      return new Options(List.of(value));
    }
  }

  private final Options options;

  private PassthroughMerger(Options options) {
    this.options = options;
  }

  public static PassthroughMerger of(Options options) {
    return new PassthroughMerger(options);
  }

  @Override
  public String id() {
    return "passthrough";
  }

  @Override
  public String summary() {
    return "one model as it is, or scaled";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return new Needs(false, false, 1, 1);
  }

  @Override
  protected OptionalInt choose(String name, TensorInfo info) {
    return options.scale().get(0) == 1 ? OptionalInt.of(0) : OptionalInt.empty();
  }

  @Override
  protected boolean keepsEqual() {
    return options.scale().get(0) == 1;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    double[] weights = {options.scale().get(0)};
    return (tile, out, w) ->
        Kernels.of(w)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), weights, Block.of(out));
  }

  @Override
  public String toString() {
    return id() + " times " + options.scale().get(0);
  }
}
