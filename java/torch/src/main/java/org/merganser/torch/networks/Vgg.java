// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Initial;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Sequential;

/**
 * VGG networks (Simonyan and Zisserman 2015) with one linear head: 3x3 convolutions with bias,
 * ReLU, max pooling of 2. Names are torchvision's: {@code features.N}, {@code classifier}. Initial
 * weights are Xavier-uniform with the gain of ReLU.
 */
public final class Vgg {
  /** Marks a pooling. */
  private static final int POOL = 0;

  private static final Map<Integer, int[]> CHANNELS =
      Map.of(
          11,
          new int[] {64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL},
          16,
          new int[] {
            64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 512, 512, 512, POOL, 512, 512, 512,
            POOL
          });

  private Vgg() {}

  /**
   * @param depth 11 or 16
   * @param width multiplies the number of channels
   * @param input channels, height, width of an image; 32 x 32 leaves one position at the head, 64 x
   *     64 four
   */
  public static TorchNetwork of(int depth, double width, Norm norm, long classes, long... input) {
    int[] channels = CHANNELS.get(depth);
    if (channels == null) {
      throw new IllegalArgumentException("no VGG of depth " + depth + "; there are 11 and 16");
    }
    List<Layer> layers = new ArrayList<>();
    long in = input.length == 0 ? 0 : input[0];
    long pooled = 1;
    int index = 0;
    for (int out : channels) {
      if (out == POOL) {
        layers.add(MaxPool.of(2));
        index++;
        pooled *= 2;
      } else {
        long scaled = Widths.scaled(out, width);
        String name = "features." + index++;
        Initial initial = Initial.xavierRelu(9 * in, 9 * scaled);
        layers.add(new Convolution(name, in, scaled, 3, 1, 1, true, initial));
        for (Layer layer : norm.layers("features." + index, scaled)) {
          layers.add(layer);
          index++;
        }
        layers.add(Activation.RELU);
        index++;
        in = scaled;
      }
    }
    layers.add(new Flatten());
    long positions = input.length == 3 ? (input[1] / pooled) * (input[2] / pooled) : 1;
    long read = in * positions;
    layers.add(new Linear("classifier", read, classes, Initial.xavierRelu(read, classes)));
    return TorchNetwork.of(new Sequential(layers), input);
  }
}
