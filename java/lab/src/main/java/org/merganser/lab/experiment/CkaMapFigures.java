// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.stream.IntStream;
import org.merganser.linalg.Tensor;

/** How far maps, and what models say, are apart. */
final class CkaMapFigures {
  private CkaMapFigures() {}

  /** Mean absolute difference. */
  static double error(double[][] map, double[][] wanted) {
    return IntStream.range(0, map.length * map.length)
        .mapToDouble(
            at ->
                Math.abs(
                    map[at / map.length][at % map.length]
                        - wanted[at / map.length][at % map.length]))
        .average()
        .orElseThrow();
  }

  /** Part of the samples that two models say the same class of. */
  static double agreement(Tensor a, Tensor b) {
    return IntStream.range(0, Math.toIntExact(a.dim(0)))
        .mapToDouble(sample -> largest(a, sample) == largest(b, sample) ? 1 : 0)
        .average()
        .orElseThrow();
  }

  private static int largest(Tensor logits, int sample) {
    int classes = Math.toIntExact(logits.dim(1));
    int best = 0;
    for (int c = 1; c < classes; c++) {
      long from = (long) sample * classes;
      best = logits.get(from + c) > logits.get(from + best) ? c : best;
    }
    return best;
  }
}
