// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.function.Supplier;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Tokens;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.networks.Vgg;
import org.merganser.torch.networks.Vit;

/** Small forms of every published network; what holds for one is asked of all. */
enum Networks {
  MLP(() -> TorchNetwork.mlp(48, 24, 2, 5, Activation.RELU)),
  VGG11(() -> Vgg.of(11, 0.125, Norm.NONE, 5, 3, 32, 32)),
  /** Four positions at the head. */
  VGG11_BATCH(() -> Vgg.of(11, 0.125, Norm.BATCH, 5, 3, 64, 64)),
  VGG16_LAYER(() -> Vgg.of(16, 0.125, Norm.LAYER, 5, 1, 32, 32)),
  RESNET20(() -> ResNet.of(20, 0.5, Norm.BATCH, ResNet.Stem.SMALL, 5, 3, 32, 32)),
  RESNET20_LAYER(() -> ResNet.of(20, 0.5, Norm.LAYER, ResNet.Stem.SMALL, 5, 1, 32, 32)),
  RESNET20_NONE(() -> ResNet.of(20, 0.5, Norm.NONE, ResNet.Stem.SMALL, 5, 1, 32, 32)),
  RESNET18(() -> ResNet.of(18, 0.125, Norm.BATCH, ResNet.Stem.IMAGENET, 5, 3, 64, 64)),
  RESNET50(() -> ResNet.of(50, 0.0625, Norm.BATCH, ResNet.Stem.SMALL, 5, 3, 32, 32)),
  VIT(() -> Vit.of(8, 24, 2, 4, Tokens.Pool.FIRST, 5, 3, 32, 32)),
  VIT_MEAN(() -> Vit.of(4, 20, 1, 5, Tokens.Pool.MEAN, 5, 1, 16, 16));

  private final Supplier<TorchNetwork> supplier;

  Networks(Supplier<TorchNetwork> supplier) {
    this.supplier = supplier;
  }

  TorchNetwork network() {
    return supplier.get();
  }

  /** Samples that excite every feature. */
  org.merganser.linalg.Tensor inputs(int samples, long seed) {
    long[] one = network().inputShape();
    long[] shape = new long[one.length + 1];
    shape[0] = samples;
    System.arraycopy(one, 0, shape, 1, one.length);
    return Oracle.normal(seed, shape);
  }
}
