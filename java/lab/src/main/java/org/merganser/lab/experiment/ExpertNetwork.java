// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import org.merganser.linalg.Tensor;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.layers.Tokens;
import org.merganser.torch.networks.Vit;

/**
 * A network that several tasks share but for its last layer, of which each has its own.
 *
 * @param head the last layer
 */
record ExpertNetwork(TorchNetwork network, String head) {
  /** Of the first convolution of a convolutional network. */
  private static final long CHANNELS = 16;

  // Of a vision transformer.
  private static final long PATCH = 8;
  private static final long WIDTH = 64;
  private static final int DEPTH = 2;
  private static final long HEADS = 4;

  /**
   * @param widths of the hidden layers of a perceptron
   * @param shape of a sample
   */
  static ExpertNetwork of(
      ExpertArchitecture kind, List<Integer> widths, long classes, long... shape) {
    TorchNetwork network =
        switch (kind) {
          case MLP -> perceptron(widths, classes, Tensor.size(shape));
          case CNN -> convolutional(classes, shape);
          case VIT -> Vit.of(PATCH, WIDTH, DEPTH, HEADS, Tokens.Pool.FIRST, classes, shape);
        };
    int last = network.affineLayers().size() - 1;
    return new ExpertNetwork(network, network.affineLayers().get(last).id());
  }

  private static TorchNetwork perceptron(List<Integer> widths, long classes, long in) {
    List<Layer> layers = new ArrayList<>();
    long from = in;
    for (int width : widths) {
      layers.add(new Linear("fc" + (layers.size() / 2 + 1), from, width));
      layers.add(Activation.RELU);
      from = width;
    }
    layers.add(new Linear("head", from, classes));
    return TorchNetwork.of(new Sequential(layers), in);
  }

  /** Three convolutions of 3 x 3, each followed by a pool of 2 x 2, and a hidden layer. */
  private static TorchNetwork convolutional(long classes, long... shape) {
    List<Layer> layers = new ArrayList<>();
    long from = shape[0];
    long channels = CHANNELS;
    for (int i = 1; i <= 3; i++) {
      layers.add(Convolution.of("conv" + i, from, channels, 3, 1, 1, true));
      layers.add(Activation.RELU);
      layers.add(MaxPool.of(2));
      from = channels;
      channels = Math.min(2 * channels, 4 * CHANNELS);
    }
    layers.add(new Flatten());
    long positions = (shape[1] / 8) * (shape[2] / 8);
    layers.add(new Linear("fc1", from * positions, 2 * from));
    layers.add(Activation.RELU);
    layers.add(new Linear("head", 2 * from, classes));
    return TorchNetwork.of(new Sequential(layers), shape);
  }

  /** Whether a tensor belongs to the last layer. */
  boolean isHead(String tensor) {
    return tensor.startsWith(head + ".");
  }
}
