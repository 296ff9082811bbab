// SPDX-License-Identifier: Apache-2.0
package consumer;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.TorchNetwork;

/** A forward pass through libtorch, beside core. */
public final class Torch {
  private Torch() {}

  public static void main(String[] args) throws IOException {
    TorchNetwork network = TorchNetwork.mlp(2, 3, 1, 1, Activation.RELU);
    Map<String, Tensor> ones = new LinkedHashMap<>();
    network
        .parameters()
        .forEach(
            (name, info) -> {
              float[] values = new float[Math.toIntExact(info.size())];
              Arrays.fill(values, 1);
              ones.put(name, Tensor.of(values, info.dims()));
            });
    try (Workspace ws = Workspace.open();
        Tensor input = Tensor.of(new float[] {1, 2}, 1, 2);
        MemoryCheckpoint theta = MemoryCheckpoint.of(ones);
        Network.Session session = network.open(theta, ws)) {
      session.run(
          input,
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, logits) ->
              System.out.println(
                  "Java " + Runtime.version().feature() + ": logit " + logits.toFloatArray()[0]));
    }
  }
}
