// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.Tensor;
import org.merganser.model.Mode;

/** One forward pass: the parameters it uses, and the activations it was asked for. */
final class ForwardPass {
  private final Map<String, Tensor> parameters;
  private final Map<String, Description.Tap> taps;
  private final Set<String> wanted;
  private final Mode mode;
  private final Map<String, Tensor> tapped = new LinkedHashMap<>();

  ForwardPass(
      Map<String, Tensor> parameters,
      Map<String, Description.Tap> taps,
      Set<String> wanted,
      Mode mode) {
    this.parameters = parameters;
    this.taps = taps;
    this.wanted = wanted;
    this.mode = mode;
  }

  Mode mode() {
    return mode;
  }

  Tensor parameter(String name) {
    return parameters.get(name);
  }

  /** Called by each layer that reads a space, before it does. */
  void beforeLayer(String layer, Tensor x) {
    Description.Tap tap = taps.get(layer);
    if (tap != null && wanted.contains(tap.space())) {
      // A flattened signal is channel-major: its positions come back as an axis of their own.
      boolean flattened = x.dim() == 2 && x.size(1) != tap.features();
      tapped.put(tap.space(), flattened ? x.view(x.size(0), tap.features(), -1) : x);
    }
  }

  Map<String, Tensor> tapped() {
    return tapped;
  }
}
