// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Samples of a uniform distribution with random labels: what a step costs does not depend on them.
 */
final class RandomExamples {
  private RandomExamples() {}

  static Examples of(int samples, int features, int classes) {
    SplittableRandom random = new SplittableRandom(1);
    float[] values = new float[samples * features];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble();
    }
    int[] labels = random.ints(samples, 0, classes).toArray();
    return new Examples(Tensor.of(values, samples, features), labels, classes);
  }
}
