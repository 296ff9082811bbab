// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.NpMerge;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping.HeldOut;

class LearningCurvesTest {
  private static NpMerge run(
      List<Double> losses,
      List<HeldOut> evaluations,
      long best,
      float[] coefficients,
      long... shape) {
    return new NpMerge(
        MemoryCheckpoint.of(Map.of()),
        MemoryCheckpoint.of(Map.of("w", Tensor.of(coefficients, shape))),
        losses,
        evaluations,
        best,
        NpMerge.Stop.STEPS,
        new NpMerge.Traffic(0, 0));
  }

  /** Pair 0 makes four steps; pair 1 stops after two, and keeps the loss 2 of step 0. */
  @Test
  void aStoppedPairCountsWithWhatItKeeps() {
    LearningCurves curves =
        new LearningCurves(NpMerger.Options.defaults().withSteps(5).withEvalEvery(2));
    curves.add(
        "np-merge+cca",
        run(
            List.of(8.0, 6.0, 4.0, 2.0),
            List.of(new HeldOut(0, 4), new HeldOut(2, 3), new HeldOut(4, 1)),
            4,
            new float[] {0, 0.049f, 0.05f, 1},
            4),
        false);
    curves.add(
        "np-merge+cca",
        run(
            List.of(2.0, 4.0),
            List.of(new HeldOut(0, 2), new HeldOut(2, 5)),
            0,
            new float[] {0.5f, 0.5f, 0.999f, 0.47f},
            4),
        false);

    NpMergeResult.Curve curve = curves.curves().get(0);
    assertThat(curve.method()).isEqualTo("np-merge+cca");
    assertThat(curve.steps()).containsExactly(0L, 2L, 4L);
    assertThat(curve.heldOut()).containsExactly(3.0, 4.0, 1.5);
    assertThat(curve.batchLoss()).containsExactly(5.0, 5.0, 4.0, 2.0);
    assertThat(curve.runs())
        .extracting(NpMergeResult.LearningRun::bestStep)
        .containsExactly(4L, 0L);

    List<Long> counts = curves.coefficients().get("w").get("np-merge+cca");
    assertThat(counts).hasSize(NpMergeResult.BINS);
    assertThat(counts.get(0)).isEqualTo(2);
    assertThat(counts.get(1)).isEqualTo(1);
    assertThat(counts.get(9)).isEqualTo(1);
    assertThat(counts.get(10)).isEqualTo(2);
    assertThat(counts.get(19)).isEqualTo(2);
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(8);
  }

  /** Of the coefficients of all models those of the first are counted. */
  @Test
  void jointCoefficientsAreThoseOfTheFirstModel() {
    LearningCurves curves = new LearningCurves(NpMerger.Options.defaults());
    curves.add(
        "joint", run(List.of(), List.of(), 0, new float[] {0.1f, 0.3f, 0.9f, 0.7f}, 2, 2), true);
    List<Long> counts = curves.coefficients().get("w").get("joint");
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(2);
    assertThat(counts.get(2)).isEqualTo(1);
    assertThat(counts.get(6)).isEqualTo(1);
    assertThat(curves.curves().get(0).heldOut()).isEmpty();
  }
}
