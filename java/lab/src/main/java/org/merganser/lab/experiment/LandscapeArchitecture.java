// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Initial;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Sequential;

/** What is trained for its landscape; reads grey images of one size. */
public enum LandscapeArchitecture {
  /** A perceptron without biases: every parameter moves in a jump. */
  MLP,
  /** Three convolutions of 3 x 3, each with a bias and followed by a pool of 2 x 2. */
  CNN;

  private static final int CONVOLUTIONS = 3;

  /** As on the command line. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The network. Weights of linear layers begin normal with variance 2 / (in + out), as in the code
   * of the paper, those of convolutions with 2 / (9 in).
   *
   * @param side of the images
   */
  TorchNetwork build(LandscapeExperiment.Options options, int side, int classes) {
    List<Layer> layers = this == MLP ? perceptron(options.widths(), side) : convolutions(options);
    long in = this == MLP ? last(options.widths()) : pooled(options, side);
    layers.add(linear("head", in, classes, this == CNN));
    return TorchNetwork.of(new Sequential(layers), 1, side, side);
  }

  private static long last(List<Integer> widths) {
    return widths.get(widths.size() - 1);
  }

  /** Values that are left of an image after all convolutions. */
  private static long pooled(LandscapeExperiment.Options options, int side) {
    long left = side >> CONVOLUTIONS;
    return left * left * ((long) options.firstChannels() << (CONVOLUTIONS - 1));
  }

  private static List<Layer> perceptron(List<Integer> widths, int side) {
    List<Layer> layers = new ArrayList<>(List.of(new Flatten()));
    long from = side * (long) side;
    for (int i = 0; i < widths.size(); i++) {
      layers.add(linear("fc" + (i + 1), from, widths.get(i), false));
      layers.add(Activation.RELU);
      from = widths.get(i);
    }
    return layers;
  }

  private static Linear linear(String name, long in, long out, boolean bias) {
    Initial glorot = new Initial(Initial.Kind.NORMAL, Math.sqrt(2.0 / (in + out)));
    return new Linear(name, in, out, bias, glorot);
  }

  private static List<Layer> convolutions(LandscapeExperiment.Options options) {
    List<Layer> layers = new ArrayList<>();
    long from = 1;
    for (int i = 0; i < CONVOLUTIONS; i++) {
      long to = (long) options.firstChannels() << i;
      layers.add(Convolution.of("conv" + (i + 1), from, to, 3, 1, 1, true));
      layers.add(Activation.RELU);
      layers.add(MaxPool.of(2));
      from = to;
    }
    layers.add(new Flatten());
    return layers;
  }
}
