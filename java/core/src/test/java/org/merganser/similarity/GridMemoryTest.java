// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.internal.kernel.Natives;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.testing.Oracle;

/** What sums over batches take they give back, without waiting for the garbage collector. */
class GridMemoryTest {
  private static final int ROUNDS = 20;

  @Test
  void sumsOfFeatures() {
    given(GridMemoryTest::sums);
  }

  @Test
  void positionsThatAreConverted() {
    try (Matrix x = Matrix.of(Oracle.gaussian(6, 20, 1));
        Tensor half = x.asTensor().to(DType.F16, WS);
        Tensor places = half.reshape(6, 5, 4)) {
      given(
          () -> {
            for (Flatten flatten : Flatten.values()) {
              flatten.rows(places, 2, WS).close();
              flatten.rows(places, 1, WS).close();
            }
          });
    }
  }

  private static void given(Runnable work) {
    work.run();
    long before = Natives.allocatedBytes();
    for (int round = 0; round < ROUNDS; round++) {
      work.run();
    }
    assertThat(Natives.allocatedBytes() - before).isLessThanOrEqualTo(0);
  }

  private static void sums() {
    SimilarityGrid.Options options = SimilarityGrid.Options.defaults().withPlan(Plan.feature());
    List<Layer> a = Layer.of(0, List.of("x"));
    List<Layer> b = Layer.of(1, List.of("y"));
    try (Matrix x = Matrix.of(Oracle.gaussian(12, 5, 1));
        Matrix y = Matrix.of(Oracle.gaussian(12, 4, 2));
        GridAccumulator one = new GridAccumulator(a, b, -1, options, WS);
        GridAccumulator two = new GridAccumulator(a, b, -1, options, WS)) {
      Batch batch = new Batch(0, 12, List.of(Map.of("x", x.asTensor()), Map.of("y", y.asTensor())));
      one.accept(batch);
      one.accept(batch);
      two.accept(batch);
      one.merge(two);
      one.grid(LinearCka.debiased());
    }
  }
}
