// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.training.Trainer;

/** Small networks, what they are trained on, and where training ends. */
final class Minima {
  private static final int CLASSES = 3;

  private Minima() {}

  static TorchNetwork mlp() {
    return TorchNetwork.mlp(6, 10, 1, CLASSES, Activation.RELU);
  }

  /** Images of 6 x 6, with batch normalisation. */
  static TorchNetwork convolutional() {
    return TorchNetwork.of(
        new Sequential(
            List.of(
                Convolution.of("conv1", 1, 4, 3, 1, 1, true),
                new BatchNorm("bn1", 4),
                Activation.RELU,
                new MaxPool(2, 2, 0),
                new Flatten(),
                new Linear("fc", 36, CLASSES))),
        1,
        6,
        6);
  }

  /** Labelled clusters around random centres, in the shape of the network. */
  static Examples data(TorchNetwork network, long seed, int samples) {
    long[] one = network.inputShape();
    int features = Math.toIntExact(Tensor.size(one));
    double[] centres = new SplittableRandom(99).doubles(CLASSES * features, -1, 1).toArray();
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[samples * features];
    int[] labels = new int[samples];
    for (int s = 0; s < samples; s++) {
      labels[s] = random.nextInt(CLASSES);
      for (int f = 0; f < features; f++) {
        values[s * features + f] =
            (float) (centres[labels[s] * features + f] + random.nextGaussian());
      }
    }
    long[] shape = new long[one.length + 1];
    shape[0] = samples;
    System.arraycopy(one, 0, shape, 1, one.length);
    return new Examples(Tensor.of(values, shape), labels, CLASSES);
  }

  static MemoryCheckpoint trained(TorchNetwork network, Examples data) throws IOException {
    try (Workspace ws = workspace(1);
        MemoryCheckpoint initial = network.initialise(3)) {
      return Trainer.train(network, initial, data, Trainer.Options.adamW(6), ws);
    }
  }

  static Workspace workspace(int threads) {
    return Workspace.builder().threads(threads).seed(5).open();
  }
}
