// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.ShapeException;
import org.merganser.method.Settings;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Tokens;
import org.merganser.torch.networks.NetworkChoice;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.networks.Vgg;
import org.merganser.torch.networks.Vit;

/** Settings as they are typed give the network that is meant. */
class NetworkChoiceTest {
  private static NetworkChoice choice(String text) {
    return Settings.of(NetworkChoice.defaults()).parse("network", text);
  }

  private static void assertSame(TorchNetwork found, TorchNetwork wanted) {
    assertThat(found).hasToString(wanted.toString());
    assertThat(found.parameters()).isEqualTo(wanted.parameters());
  }

  @Test
  void perceptronsTakeImagesAsVectors() {
    TorchNetwork wanted = TorchNetwork.mlp(3 * 4 * 4, 64, 1, 5, Activation.RELU);
    assertSame(choice("hidden=64,layers=1").build("x", 5, 3, 4, 4), wanted);
    assertSame(
        NetworkChoice.defaults().build("x", 5, 48),
        TorchNetwork.mlp(48, 32, 2, 5, Activation.RELU));
  }

  @Test
  void convolutionalNetworksHaveTheirUsualNormalisation() {
    long[] image = {3, 32, 32};
    assertSame(
        choice("network=resnet20,width-multiplier=0.25").build("x", 10, image),
        ResNet.of(20, 0.25, Norm.BATCH, ResNet.Stem.SMALL, 10, image));
    assertSame(
        choice("network=vgg11,width-multiplier=0.125").build("x", 10, image),
        Vgg.of(11, 0.125, Norm.NONE, 10, image));
    assertSame(
        choice("network=vgg16,norm=layer,width-multiplier=0.125").build("x", 10, image),
        Vgg.of(16, 0.125, Norm.LAYER, 10, image));
    assertThat(choice("network=resnet18").isBatchNormalised()).isTrue();
    assertThat(choice("network=vgg11").isBatchNormalised()).isFalse();
  }

  @Test
  void visionTransformersHaveTheirUsualSizes() {
    long[] image = {1, 28, 28};
    assertSame(
        choice("network=vit").build("x", 10, image),
        Vit.of(4, 64, 4, 4, Tokens.Pool.FIRST, 10, image));
    assertSame(
        choice("network=vit,hidden=48,layers=2,patch=7,heads=6,pool=mean").build("x", 10, image),
        Vit.of(7, 48, 2, 6, Tokens.Pool.MEAN, 10, image));
    assertThat(choice("network=vit").isConvolutional()).isFalse();
    assertThat(choice("network=vit").readsImages()).isTrue();
    assertThat(choice("network=vit,patch=7").facts())
        .containsEntry("patch", 7)
        .containsEntry("hidden", 64)
        .containsEntry("pool", "first");
    assertThatThrownBy(() -> choice("network=vit,patch=5").build("x", 10, image))
        .isInstanceOf(ShapeException.class)
        .hasMessage("patches of 5 do not tile an image of 28 x 28");
  }

  /** The stem of torchvision is for images of its size. */
  @Test
  void largeImagesGetTheStemForThem() {
    long[] image = {3, 128, 128};
    assertSame(
        choice("network=resnet18,width-multiplier=0.125").build("x", 10, image),
        ResNet.of(18, 0.125, Norm.BATCH, ResNet.Stem.IMAGENET, 10, image));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          norm=batch|network: --norm: network mlp does not use it; drop it
          network=vgg11,hidden=3|network: --hidden: network vgg11 does not use it; drop it
          hidden=1000000,layers=3|network: 3 hidden layers of 1000000 have 2000000000000 weights
          patch=4|network: --patch: network mlp does not use it; drop it
          network=vit,norm=batch|network: --norm: network vit does not use it; drop it
          network=vit,heads=5|network: --heads: 5 do not divide the width of the tokens, which is 64
          network=vgg12|network: network must be one of mlp, vgg11, vgg16, resnet18, resnet20
          """)
  void whatDoesNotFitIsRefused(String text, String message) {
    assertThatThrownBy(() -> choice(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void vectorsAreNoImages() {
    assertThatThrownBy(() -> choice("network=resnet20").build("blobs", 10, 64))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("resnet20 reads images, the samples of 'blobs' are vectors; use mlp");
  }
}
