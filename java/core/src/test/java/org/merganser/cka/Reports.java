// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.merganser.testing.Work.WS;

import java.util.function.Function;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;

/** Grams and reports of arrays. */
final class Reports {
  private Reports() {}

  static <T> T with(double[][] x, double[][] y, CkaKernel kernel, Function<GramPair, T> use) {
    return with(x, y, 1, kernel, use);
  }

  /**
   * @param positions rows of a sample
   */
  static <T> T with(
      double[][] x, double[][] y, int positions, CkaKernel kernel, Function<GramPair, T> use) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y);
        Matrix centredX = Gram.centredColumns(left, WS);
        Matrix centredY = Gram.centredColumns(right, WS);
        GramPair pair = GramPair.of(kernel, centredX, centredY, positions, WS)) {
      return use.apply(pair);
    }
  }

  static ReliabilityReport report(
      double[][] x, double[][] y, Function<CkaReliability, CkaReliability> settings) {
    return report(x, y, 1, settings);
  }

  static ReliabilityReport report(
      double[][] x,
      double[][] y,
      int positions,
      Function<CkaReliability, CkaReliability> settings) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      return settings.apply(CkaReliability.of(left, right, positions)).run(WS);
    }
  }
}
