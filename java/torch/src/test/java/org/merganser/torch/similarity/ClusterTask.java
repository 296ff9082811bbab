// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.similarity;

import java.io.IOException;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/**
 * Ten classes of three Gaussian clusters each in 20 dimensions, centres of deviation 1.15 and unit
 * noise, for a perceptron 20-64x8-10.
 */
final class ClusterTask implements AutoCloseable {
  static final TorchNetwork NETWORK = TorchNetwork.mlp(20, 64, 8, 10, Activation.RELU);
  private static final int FEATURES = 20;
  private static final int CLUSTERS = 30;

  final Examples train;
  final Examples test;

  ClusterTask(long seed, int trained, int tested) {
    SplittableRandom random = Seeds.stream(seed, "clusters");
    double[] centres = new double[CLUSTERS * FEATURES];
    for (int i = 0; i < centres.length; i++) {
      centres[i] = 1.15 * random.nextGaussian();
    }
    train = draw(centres, trained, random);
    test = draw(centres, tested, random);
  }

  private static Examples draw(double[] centres, int count, SplittableRandom random) {
    float[] values = new float[count * FEATURES];
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      int cluster = random.nextInt(CLUSTERS);
      labels[i] = cluster % 10;
      for (int f = 0; f < FEATURES; f++) {
        values[i * FEATURES + f] =
            (float) (centres[cluster * FEATURES + f] + random.nextGaussian());
      }
    }
    return new Examples(Tensor.of(values, count, FEATURES), labels, 10);
  }

  MemoryCheckpoint trained(int epochs, long seed) throws IOException {
    Trainer.Options options =
        new Trainer.Options(
            new Optimizer.AmsGrad(1e-3, 5e-4),
            new Schedule(0, Schedule.Decay.COSINE),
            epochs,
            128,
            1,
            1);
    try (Workspace ws = Workspace.builder().threads(1).seed(seed).open();
        MemoryCheckpoint initial = NETWORK.initialise(seed)) {
      return Trainer.train(NETWORK, initial, train, options, ws);
    }
  }

  @Override
  public void close() {
    train.close();
    test.close();
  }
}
