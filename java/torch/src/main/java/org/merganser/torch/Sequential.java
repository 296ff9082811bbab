// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Layers one after the other. */
public record Sequential(List<Layer> layers) implements Layer {
  public Sequential {
    layers = List.copyOf(layers);
  }

  public static Sequential of(Layer... layers) {
    return new Sequential(List.of(layers));
  }

  @Override
  public Signal describe(Signal in, Description description) {
    Signal signal = in;
    for (Layer layer : layers) {
      signal = layer.describe(signal, description);
    }
    return signal;
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor value = x;
    for (Layer layer : layers) {
      value = layer.forward(value, pass);
    }
    return value;
  }
}
