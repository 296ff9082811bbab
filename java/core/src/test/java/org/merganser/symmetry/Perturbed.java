// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/** Models that differ a little from others. */
final class Perturbed {
  private Perturbed() {}

  /** Weights with noise of a share of the deviation of each tensor. */
  static MemoryCheckpoint noisy(Checkpoint model, double share, long seed, Workspace ws)
      throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : model.tensors().keySet()) {
      try (Tensor tensor = model.read(name, ws)) {
        double[] values = tensor.toDoubleArray();
        double mean = Arrays.stream(values).average().orElse(0);
        double deviation =
            Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean)).average().orElse(0));
        for (int i = 0; i < values.length; i++) {
          values[i] += share * deviation * random.nextGaussian();
        }
        tensors.put(name, Tensor.of(values, tensor.shape()));
      }
    }
    return MemoryCheckpoint.of(tensors);
  }

  static double squaredDistance(Checkpoint a, Checkpoint b, Workspace ws) throws IOException {
    double sum = 0;
    for (String name : a.tensors().keySet()) {
      try (Tensor left = a.read(name, ws);
          Tensor right = b.read(name, ws)) {
        double[] x = left.toDoubleArray();
        double[] y = right.toDoubleArray();
        for (int i = 0; i < x.length; i++) {
          sum += (x[i] - y[i]) * (x[i] - y[i]);
        }
      }
    }
    return sum;
  }
}
