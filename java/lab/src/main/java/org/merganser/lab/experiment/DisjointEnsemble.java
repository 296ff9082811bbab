// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;

/**
 * The ensemble of models with classes of their own: the softmax of each over its classes, then the
 * largest of all. As K such distributions make one when divided by K, the loss is that of {@code p
 * / K}.
 */
final class DisjointEnsemble {
  private DisjointEnsemble() {}

  /**
   * Logarithms of the probabilities, which serve as logits: their softmax is {@code p / K}.
   *
   * @param logits of each model, [samples x classes]
   * @param classes of each model; together every class once
   */
  static Tensor logits(List<Tensor> logits, List<int[]> classes) {
    Tensor first = logits.get(0);
    int all = classes.stream().mapToInt(own -> own.length).sum();
    if (logits.size() != classes.size() || all != first.dim(1)) {
      throw new ShapeException(
          "%s models for %s parts with %s of %s classes"
              .formatted(logits.size(), classes.size(), all, first.dim(1)));
    }
    Tensor result = Tensor.allocate(DType.F32, first.shape());
    long columns = first.dim(1);
    for (int k = 0; k < classes.size(); k++) {
      for (long sample = 0; sample < first.dim(0); sample++) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int c : classes.get(k)) {
          largest = Math.max(largest, logits.get(k).get(sample * columns + c));
        }
        double sum = 0;
        for (int c : classes.get(k)) {
          sum += Math.exp(logits.get(k).get(sample * columns + c) - largest);
        }
        double norm = largest + Math.log(sum);
        for (int c : classes.get(k)) {
          long at = sample * columns + c;
          result.set(at, logits.get(k).get(at) - norm);
        }
      }
    }
    return result;
  }
}
