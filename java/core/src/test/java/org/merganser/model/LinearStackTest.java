// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;

class LinearStackTest {

  @Test
  void findsTheSpacesOfAPlainStack() {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 3, 5, 4, 2);
    assertThat(LinearStack.infer(network.random(DType.F32, 1, WS)))
        .isEqualTo(network.architecture());
  }

  @Test
  void layersComeInNaturalOrderAndBiasesAreOptional() {
    Architecture architecture =
        LinearStack.infer(
            model(
                Map.entry("10.weight", new long[] {2, 4}),
                Map.entry("2.weight", new long[] {4, 5}),
                Map.entry("2.bias", new long[] {4}),
                Map.entry("0.weight", new long[] {5, 3})));
    assertThat(architecture.spaces()).extracting(FeatureSpace::id).containsExactly("0", "2");
    assertThat(architecture.space("2").bindings())
        .containsExactly(
            Binding.of("2.weight", 0, Role.WEIGHT_OUT),
            Binding.of("2.bias", 0, Role.BIAS),
            Binding.of("10.weight", 1, Role.WEIGHT_IN));
  }

  @Test
  void whatIsNoStackIsRefusedWithEveryReason() {
    Checkpoint model =
        model(
            Map.entry("0.weight", new long[] {5, 3}),
            Map.entry("0.bias", new long[] {4}),
            Map.entry("1.weight", new long[] {2, 6}),
            Map.entry("bn.running_mean", new long[] {5}),
            Map.entry("conv.weight", new long[] {2, 2, 3, 3}));
    assertThatThrownBy(() -> LinearStack.infer(model))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "not a plain stack of linear layers; describe it in a builder file (--architecture):\n"
                + "  '0.bias' F32 [4] is no weight or bias of a linear layer\n"
                + "  'bn.running_mean' F32 [5] is no weight or bias of a linear layer\n"
                + "  'conv.weight' F32 [2, 2, 3, 3] is no weight or bias of a linear layer\n"
                + "  layer '1' reads 6 features, layer '0' before it writes 5");
    assertThatThrownBy(() -> LinearStack.infer(model(Map.entry("w.weight", new long[] {2, 2}))))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("\n  a stack needs at least two layers, found [w]");
    assertThatThrownBy(() -> LinearStack.infer(model()))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageEndingWith("\n  a stack needs at least two layers, found []");
  }

  @SafeVarargs
  private static Checkpoint model(Map.Entry<String, long[]>... shapes) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> shape : shapes) {
      tensors.put(shape.getKey(), Tensor.zeros(DType.F32, shape.getValue()));
    }
    return MemoryCheckpoint.of(tensors);
  }
}
