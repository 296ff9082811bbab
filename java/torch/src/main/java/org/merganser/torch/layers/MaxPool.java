// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.model.MapFamily;

/** Largest value of each window; commutes with permutations and positive scales. */
public record MaxPool(long kernel, long stride, long padding) implements Layer {
  /** Windows that do not overlap. */
  public static MaxPool of(long kernel) {
    return new MaxPool(kernel, kernel, 0);
  }

  @Override
  public Signal describe(Signal signal, Description description) {
    if (signal.space() != null) {
      signal.space().restrict(MapFamily.SCALED_PERMUTATION);
    }
    return signal.window("max pool", kernel, stride, padding);
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    return torch.max_pool2d(
        x,
        new long[] {kernel, kernel},
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        false);
  }
}
