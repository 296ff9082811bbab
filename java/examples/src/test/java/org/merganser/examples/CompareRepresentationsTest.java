// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;

/** The example prints a line a measure, and frees what it opened. */
class CompareRepresentationsTest {
  @TempDir Path folder;

  @Test
  void everyMeasureHasALine() throws IOException {
    Path a = folder.resolve("a.npy");
    Path b = folder.resolve("b.npy");
    SplittableRandom random = new SplittableRandom(1);
    double[] values = new double[40 * 12];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextGaussian();
    }
    write(values, a);
    for (int i = 0; i < values.length; i++) {
      values[i] = 3 * values[i] + 1;
    }
    write(values, b);
    List<String> lines =
        ExampleProcess.leftBehind("compare", a.toString(), b.toString()).lines().toList();
    assertThat(lines).last().isEqualTo("bytes left: 0");
    for (String id : Catalogue.measures().ids()) {
      assertThat(lines).anyMatch(line -> line.startsWith(id + " "));
    }
    // The same up to a shift and a factor.
    assertThat(lines)
        .contains("cka-linear-debiased 1.0000 (debiased, feature route, 40 samples)")
        .contains("knn-jaccard 1.0000 (biased, gram route, 40 samples)");
  }

  private static void write(double[] values, Path file) throws IOException {
    try (Tensor tensor = Tensor.of(values, 40, 12)) {
      Npy.write(tensor, file);
    }
  }
}
