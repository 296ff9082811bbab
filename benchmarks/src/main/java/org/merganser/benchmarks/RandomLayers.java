// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;

/** Activations of several networks that have something in common, F32, with an offset. */
final class RandomLayers {
  private RandomLayers() {}

  static Batch batch(
      int models, List<String> taps, int samples, int width, SplittableRandom random) {
    float[] common = uniform(samples * width, random);
    List<Map<String, Tensor>> all = new ArrayList<>();
    for (int model = 0; model < models; model++) {
      Map<String, Tensor> layers = new LinkedHashMap<>();
      all.add(layers);
      for (String tap : taps) {
        float[] x = uniform(samples * width, random);
        for (int e = 0; e < x.length; e++) {
          x[e] += common[e] + 3;
        }
        layers.put(tap, Tensor.of(x, samples, width));
      }
    }
    return new Batch(0, samples, all);
  }

  static float[] uniform(int count, SplittableRandom random) {
    float[] values = new float[count];
    for (int e = 0; e < count; e++) {
      values[e] = (float) (2 * random.nextDouble() - 1);
    }
    return values;
  }
}
