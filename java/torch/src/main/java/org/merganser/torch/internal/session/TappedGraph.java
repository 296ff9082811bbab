// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Shared;

/** The graph of a batch between its forward and its backward pass: loss of outputs, activations. */
final class TappedGraph implements AutoCloseable {
  private Tensor loss;
  private final Map<String, Tensor> taps = new LinkedHashMap<>();
  private final Map<String, org.merganser.linalg.Tensor> views = new LinkedHashMap<>();

  /** Inside of libtorch and the caller's scope, which they outlive. */
  void keep(Tensor lossOfOutputs, Map<String, Tensor> found) {
    lossOfOutputs.retainReference();
    loss = lossOfOutputs;
    found.forEach(
        (name, tensor) -> {
          tensor.retainReference();
          taps.put(name, tensor);
        });
  }

  /** Views of the activations, until this is closed. */
  Map<String, org.merganser.linalg.Tensor> activations() {
    taps.forEach((name, tensor) -> views.computeIfAbsent(name, n -> Bridge.view(tensor)));
    return views;
  }

  /** One backward pass from the loss and the activations; inside of libtorch. */
  @SuppressWarnings("try")
  double backward(TapLoss.Upstream upstream) {
    try (Shared gradients = new Shared(upstream.gradients());
        PointerScope scope = new PointerScope()) {
      TensorVector roots = new TensorVector(loss);
      // Undefined stands for 1 beside a number.
      TensorVector from = new TensorVector(new Tensor());
      gradients
          .all()
          .forEach(
              (name, gradient) -> {
                Tensor root = taps.get(name);
                roots.push_back(root);
                from.push_back(gradient.reshape_as(root).to(root));
              });
      torch.backward(roots, from, new BoolOptional(), false, new TensorVector());
      return loss.item_float() + upstream.value();
    }
  }

  @Override
  public void close() {
    // A view kept too long then says so, instead of reading freed memory.
    views.values().forEach(org.merganser.linalg.Tensor::close);
    taps.values().forEach(Tensor::close);
    if (loss != null) {
      loss.close();
    }
  }
}
