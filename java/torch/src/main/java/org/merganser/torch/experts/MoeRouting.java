// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.lora.MoeModel;
import org.merganser.torch.layers.Graph;

/**
 * What experts add to the layers of a network. With P inputs of a layer (samples, or positions of
 * all samples), E experts and factors of rank r:
 *
 * <pre>
 *   L = |X V^T| / T  or  X V^T / T                  [P x E]
 *   G = softmax of the k largest of each row, else 0
 *   Y += sum_e G[:, e] s_e (X A_e^T) B_e^T
 * </pre>
 *
 * <p>All experts are computed: their ranks are small, and gradients pass to the chosen ones only,
 * and to their gates. Of equal logits those of the lower expert are chosen.
 */
final class MoeRouting implements Graph.Added {
  private final MoeModel.Description description;
  private final Map<String, Layer> layers = new LinkedHashMap<>();

  private record Layer(
      Tensor gate, Tensor a, Tensor b, Tensor scale, double temperature, long rank) {}

  /**
   * @param all F32, the tensors of the model of experts among them
   */
  MoeRouting(MoeModel model, Map<String, Tensor> all) {
    this.description = model.description();
    model
        .layers()
        .forEach(
            (module, layer) ->
                layers.put(
                    module,
                    new Layer(
                        all.get(layer.gate()),
                        all.get(layer.a()),
                        all.get(layer.b()),
                        all.get(layer.scale()),
                        layer.temperature(description),
                        layer.rank())));
  }

  @Override
  public Tensor to(String name, Tensor y, UnaryOperator<Tensor> linear) {
    Layer layer = layers.get(name);
    if (layer == null) {
      return y;
    }
    Tensor gates = gates(rows(linear.apply(layer.gate())).div(new Scalar(layer.temperature())));
    Tensor inner = rows(linear.apply(layer.a().flatten(0, 1)));
    Tensor weighted =
        inner
            .unflatten(1, description.experts().size(), layer.rank())
            .mul(gates.mul(layer.scale()).unsqueeze(2))
            .flatten(1, 2);
    // [E r x out]: of each expert, the columns of its B.
    Tensor outer = layer.b().transpose(1, 2).flatten(0, 1);
    return y.add(like(weighted.matmul(outer), y));
  }

  /** [P x E], rows that sum to 1. */
  private Tensor gates(Tensor products) {
    Tensor logits = description.router().isAbsolute() ? products.abs() : products;
    if (description.topK() == description.experts().size()) {
      return torch.softmax(logits, 1);
    }
    // Stable, so that equal ones stay in order.
    Tensor chosen =
        logits.sort(new BoolOptional(true), 1, true).get1().narrow(1, 0, description.topK());
    Tensor parts = torch.softmax(logits.gather(1, chosen), 1);
    return torch.zeros_like(logits).scatter(1, chosen, parts);
  }

  /** Features last, everything else one below the other. */
  private static Tensor rows(Tensor x) {
    return x.dim() == 4 ? x.permute(0, 2, 3, 1).flatten(0, 2) : x.flatten(0, -2);
  }

  /** Rows as the output that they belong to. */
  private static Tensor like(Tensor rows, Tensor y) {
    return y.dim() == 4
        ? rows.view(y.size(0), y.size(2), y.size(3), y.size(1)).permute(0, 3, 1, 2)
        : rows.view_as(y);
  }
}
