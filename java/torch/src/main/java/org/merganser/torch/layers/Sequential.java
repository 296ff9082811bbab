// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Layers one after the other; none for the identity. */
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
      signal = description.follow(layer, signal);
    }
    return signal;
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor value = x;
    for (Layer layer : layers) {
      value = pass.apply(layer, value);
    }
    return value;
  }

  /** Without batch normalisations; the layers before them get a bias to absorb them. */
  Sequential folded() {
    List<Layer> kept = new ArrayList<>();
    for (int i = 0; i < layers.size(); i++) {
      Layer layer = layers.get(i);
      boolean absorbs = i + 1 < layers.size() && layers.get(i + 1) instanceof BatchNorm;
      if (layer instanceof Convolution convolution && absorbs) {
        kept.add(convolution.withBias());
      } else if (layer instanceof Sequential inner) {
        kept.add(inner.folded());
      } else if (layer instanceof Residual residual) {
        kept.add(residual.folded());
      } else if (!(layer instanceof BatchNorm)) {
        kept.add(layer);
      }
    }
    return new Sequential(kept);
  }
}
