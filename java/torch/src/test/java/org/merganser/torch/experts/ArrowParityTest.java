// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.torch.experts.MoeNetworkTest.WS;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;

/** What PEFT's Arrow router makes of its adapters (fixtures/arrow/make.py). */
class ArrowParityTest {
  private static Path fixture(String name) throws URISyntaxException {
    return Path.of(ArrowParityTest.class.getResource("/fixtures/arrow/" + name).toURI());
  }

  @Test
  void adaptersOfPeftAreRoutedAsThere() throws IOException, URISyntaxException {
    TorchNetwork network = TorchNetwork.mlp(6, 8, 1, 5, Activation.RELU);
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(Safetensors.open(fixture("base.safetensors")));
      Checkpoint expected = opened.add(Safetensors.open(fixture("expected.safetensors")));
      List<LoraAdapter> adapters = new ArrayList<>();
      for (String name : List.of("one", "two", "three", "four")) {
        adapters.add(opened.add(LoraAdapter.open(fixture(name))));
      }
      MoeModel experts = opened.add(MoeUpcycler.arrow(2).upcycle(base, adapters, WS));
      Tensor inputs = opened.add(expected.read("inputs", WS));
      double[] wanted = opened.add(expected.read("outputs", WS)).toDoubleArray();
      double[] found = MoeNetworkTest.outputs(new MoeNetwork(network, experts), base, inputs);
      double largest = 0;
      for (double value : wanted) {
        largest = Math.max(largest, Math.abs(value));
      }
      for (int i = 0; i < wanted.length; i++) {
        assertThat(found[i]).as("output " + i).isCloseTo(wanted[i], within(1e-5 * largest));
      }
    }
  }
}
