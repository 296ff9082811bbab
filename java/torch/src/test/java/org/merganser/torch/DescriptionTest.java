// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Initial;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Residual;
import org.merganser.torch.layers.Sequential;

class DescriptionTest {

  @Test
  void theTextOfANetworkTellsNetworksApart() {
    TorchNetwork network = TorchNetwork.mlp(6, 8, 1, 4, Activation.RELU);
    assertThat(network)
        .hasToString(
            "[6] -> Sequential[layers=[Linear[name=fc1, in=6, out=8, initial=Initial[kind=NORMAL,"
                + " value=0.5773502691896257]], RELU, Linear[name=fc2, in=8, out=4,"
                + " initial=Initial[kind=NORMAL, value=0.5]]]]");
    assertThat(TorchNetwork.mlp(6, 8, 1, 4, Activation.TANH).toString())
        .isNotEqualTo(network.toString());
  }

  @Test
  void aLinearLayerMayHaveNoBias() {
    Layer plain = new Linear("a", 4, 3, false, Initial.he(4));
    TorchNetwork network =
        TorchNetwork.of(Sequential.of(plain, Activation.RELU, new Linear("b", 3, 2)), 4);
    assertThat(network.parameters()).containsOnlyKeys("a.weight", "b.weight", "b.bias");
    assertThat(network.architecture().space("a").bindings())
        .containsExactly(
            Binding.of("a.weight", 0, Role.WEIGHT_OUT), Binding.of("b.weight", 1, Role.WEIGHT_IN));
    assertThat(network.affineLayers().get(0).bias()).isEmpty();
    assertThat(network.toString()).contains("Linear[name=a, in=4, out=3, hasBias=false, initial=");
  }

  @Test
  void aPerceptronHasOneSpaceForEachHiddenLayer() {
    Architecture found = TorchNetwork.mlp(7, 5, 2, 3, Activation.RELU).architecture();

    assertThat(found.spaces())
        .containsExactly(
            new FeatureSpace(
                "fc1",
                5,
                MapFamily.SCALED_PERMUTATION,
                List.of(
                    Binding.of("fc1.weight", 0, Role.WEIGHT_OUT),
                    Binding.of("fc1.bias", 0, Role.BIAS),
                    Binding.of("fc2.weight", 1, Role.WEIGHT_IN))),
            new FeatureSpace(
                "fc2",
                5,
                MapFamily.SCALED_PERMUTATION,
                List.of(
                    Binding.of("fc2.weight", 0, Role.WEIGHT_OUT),
                    Binding.of("fc2.bias", 0, Role.BIAS),
                    Binding.of("fc3.weight", 1, Role.WEIGHT_IN))));
    assertThat(found.counters()).isEmpty();
  }

  @Test
  void neitherInputsNorLogitsAreSpaces() {
    Architecture none = TorchNetwork.mlp(7, 5, 0, 3, Activation.RELU).architecture();
    assertThat(none.spaces()).isEmpty();
    assertThat(TorchNetwork.mlp(7, 5, 1, 3, Activation.RELU).architecture().bindings("fc2.bias"))
        .isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void theActivationDecidesWhichMapsAreExact(Activation activation) {
    MapFamily wanted =
        switch (activation) {
          case RELU -> MapFamily.SCALED_PERMUTATION;
          case TANH -> MapFamily.SIGNED_PERMUTATION;
          default -> MapFamily.PERMUTATION;
        };
    assertThat(TorchNetwork.mlp(7, 5, 1, 3, activation).architecture().space("fc1").symmetry())
        .isEqualTo(wanted);
  }

  @Test
  void withoutActivationAnyLinearMapIsExact() {
    TorchNetwork linear =
        TorchNetwork.of(Sequential.of(new Linear("a", 4, 3), new Linear("b", 3, 2)), 4);
    assertThat(linear.architecture().space("a").symmetry()).isEqualTo(MapFamily.ANY_LINEAR);
  }

  @Test
  void whatAllActivationsOfASpaceAllowCounts() {
    for (Activation[] order :
        new Activation[][] {
          {Activation.RELU, Activation.TANH}, {Activation.TANH, Activation.RELU}
        }) {
      TorchNetwork network =
          TorchNetwork.of(
              Sequential.of(new Linear("a", 4, 3), order[0], order[1], new Linear("b", 3, 2)), 4);
      assertThat(network.architecture().space("a").symmetry()).isEqualTo(MapFamily.PERMUTATION);
    }
  }

  @Test
  void nestedSequencesDescribeTheSameNetwork() {
    Layer flat = Sequential.of(new Linear("a", 4, 3), Activation.RELU, new Linear("b", 3, 2));
    Layer nested =
        Sequential.of(
            Sequential.of(new Linear("a", 4, 3), Activation.RELU),
            Sequential.of(new Linear("b", 3, 2)));
    assertThat(TorchNetwork.of(nested, 4).architecture())
        .isEqualTo(TorchNetwork.of(flat, 4).architecture());
  }

  /** 3 channels at 4 positions: each channel takes 4 neighbouring columns of the weight. */
  @Test
  void aFlattenedSpaceIsReadWithRepeat() {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                Convolution.of("conv", 1, 3, 3, 1, 1, true),
                MaxPool.of(2),
                new Flatten(),
                new Linear("fc", 12, 5)),
            1,
            4,
            4);
    assertThat(network.architecture().space("conv").bindings())
        .containsExactly(
            Binding.of("conv.weight", 0, Role.WEIGHT_OUT),
            Binding.of("conv.bias", 0, Role.BIAS),
            new Binding("fc.weight", 1, Role.WEIGHT_IN, new Block(0, 4)));
  }

  /** All that is added to each other shares one map; it is read where the last layer reads it. */
  @Test
  void aResidualStreamIsOneSpace() {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                new Linear("stem", 4, 3),
                new Residual(
                    "block",
                    Sequential.of(
                        new Linear("up", 3, 6), Activation.RELU, new Linear("down", 6, 3)),
                    Sequential.of()),
                Activation.TANH,
                new Linear("head", 3, 2)),
            4);
    assertThat(network.architecture().spaces())
        .containsExactly(
            new FeatureSpace(
                "stem",
                3,
                MapFamily.SIGNED_PERMUTATION,
                List.of(
                    Binding.of("stem.weight", 0, Role.WEIGHT_OUT),
                    Binding.of("stem.bias", 0, Role.BIAS),
                    Binding.of("up.weight", 1, Role.WEIGHT_IN),
                    Binding.of("down.weight", 0, Role.WEIGHT_OUT),
                    Binding.of("down.bias", 0, Role.BIAS),
                    Binding.of("head.weight", 1, Role.WEIGHT_IN))),
            new FeatureSpace(
                "up",
                6,
                MapFamily.SCALED_PERMUTATION,
                List.of(
                    Binding.of("up.weight", 0, Role.WEIGHT_OUT),
                    Binding.of("up.bias", 0, Role.BIAS),
                    Binding.of("down.weight", 1, Role.WEIGHT_IN))));
  }

  /** What is added to the input of the network has its features, which are never mapped. */
  @Test
  void aStreamThatCarriesTheInputIsNotMapped() {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                new Residual("block", Sequential.of(new Linear("a", 4, 4)), Sequential.of()),
                new Linear("head", 4, 2)),
            4);
    assertThat(network.architecture().spaces()).isEmpty();
  }

  @Test
  void namesABlockWhoseOperandsDiffer() {
    assertThatThrownBy(
            () ->
                TorchNetwork.of(
                    new Residual("block", Sequential.of(new Linear("a", 4, 3)), Sequential.of()),
                    4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("block 'block' adds a vector of 3 to a vector of 4; they must be the same");
    assertThatThrownBy(() -> TorchNetwork.of(Convolution.of("c", 3, 4, 3, 1, 1, true), 1, 8, 8))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'c' reads images of 3 channels, it is given 1 channels of 8 x 8");
    assertThatThrownBy(() -> TorchNetwork.of(Convolution.of("c", 1, 4, 5, 1, 1, true), 1, 2, 2))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'c' has a window of 5, it is given 1 channels of 2 x 2");
  }

  @Test
  void anImageIsFlattenedChannelMajorAndHasNoSpace() {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                new Flatten(), new Linear("fc1", 12, 5), Activation.RELU, new Linear("fc2", 5, 2)),
            3,
            2,
            2);
    assertThat(network.parameters()).containsEntry("fc1.weight", TensorInfo.of(DType.F32, 5, 12));
    assertThat(network.architecture().spaces()).extracting(FeatureSpace::id).containsExactly("fc1");
    assertThat(network.architecture().bindings("fc1.weight")).hasSize(1);
  }

  @Test
  void namesALayerThatDoesNotFit() {
    assertThatThrownBy(
            () ->
                TorchNetwork.of(
                    Sequential.of(new Linear("a", 4, 3), Activation.RELU, new Linear("b", 5, 2)),
                    4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'b' reads 5 features, it is given 3");
    assertThatThrownBy(() -> TorchNetwork.of(new Linear("a", 12, 2), 3, 2, 2))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'a' reads 12 features, it is given 3 at 4 positions; flatten first");
    assertThatThrownBy(
            () -> TorchNetwork.of(Sequential.of(new Flatten(), new Linear("a", 13, 2)), 3, 2, 2))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'a' reads 13 features, it is given 3 at 4 positions");
    assertThatThrownBy(() -> TorchNetwork.of(new Linear("a", 1, 2)))
        .isInstanceOf(ShapeException.class)
        .hasMessage("a network needs an input shape");
  }

  @Test
  void refusesTwoLayersOfOneName() {
    assertThatThrownBy(
            () -> TorchNetwork.of(Sequential.of(new Linear("a", 4, 4), new Linear("a", 4, 2)), 4))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("two layers have a parameter 'a.weight'");
  }
}
