// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.TensorInfo;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.layers.Graph;

/**
 * Sums of the inputs of layers. What a layer computes is linear in its weight w, so that of one
 * output feature the gradient of the sum over all positions p is what is wanted: {@code d/dw sum_p
 * w x_p = sum_p x_p}, whatever kind of layer it is.
 */
final class MoeInputs implements Graph.Added {
  private final TorchNetwork network;

  /** Weights by the modules whose inputs are wanted. */
  private final Map<String, String> weights = new LinkedHashMap<>();

  private final Map<String, double[]> sums = new LinkedHashMap<>();
  private final Map<String, Long> counts = new LinkedHashMap<>();

  MoeInputs(TorchNetwork network, Set<String> modules) {
    this.network = network;
    network.adaptable().stream()
        .filter(layer -> modules.contains(layer.id()))
        .forEach(layer -> weights.put(layer.id(), layer.weight()));
  }

  /** Adds a batch. */
  void run(Network.Session session, org.merganser.linalg.Tensor batch) {
    try {
      session.run(batch, Mode.EVAL, Set.of(Network.OUTPUT), (tap, output) -> {});
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  @SuppressWarnings("try")
  public Tensor to(String layer, Tensor y, UnaryOperator<Tensor> linear) {
    if (weights.containsKey(layer)) {
      TensorInfo weight = network.parameters().get(weights.get(layer));
      long[] shape = weight.dims();
      shape[0] = 1;
      int in = Math.toIntExact(weight.size() / weight.dim(0));
      try (AutoGradMode on = new AutoGradMode(true)) {
        Tensor w = Bridge.beside(y, new double[in], shape);
        w.set_requires_grad(true);
        Tensor of = linear.apply(w);
        TensorVector found = torch.grad(new TensorVector(of.sum()), new TensorVector(w));
        add(layer, found.get(0), of.numel());
      }
    }
    return y;
  }

  private void add(String layer, Tensor found, long count) {
    try (org.merganser.linalg.Tensor copy = Bridge.copy(found.detach().contiguous())) {
      double[] values = copy.toDoubleArray();
      double[] sum = sums.computeIfAbsent(layer, l -> new double[values.length]);
      for (int i = 0; i < values.length; i++) {
        sum[i] += values[i];
      }
    }
    counts.merge(layer, count, Long::sum);
  }

  /** By layers. */
  Map<String, double[]> means() {
    sums.forEach(
        (layer, sum) -> {
          for (int i = 0; i < sum.length; i++) {
            sum[i] /= counts.get(layer);
            if (!Double.isFinite(sum[i])) {
              throw new NumericalException(
                  "the mean input of " + Names.quote(layer) + " is not finite");
            }
          }
        });
    return sums;
  }
}
