// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

class LearningCurvesTest {
  private static final String ROW = "np-merge+cca";

  private static Findings none() {
    return new Findings(new ExperimentResult.Training(0, 0));
  }

  private static Findings found(List<Double> losses, List<Double> heldOut, long best) {
    Findings findings = none();
    List<Long> steps = LongStream.range(0, heldOut.size()).mapToObj(i -> 2 * i).toList();
    findings.map(LearnedRows.CURVES).put(ROW, new Learned.Run(best, steps, heldOut, losses));
    return findings;
  }

  private static void count(Findings findings, float[] values, boolean planes, long... shape) {
    try (MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.of(values, shape)))) {
      LearnedRows.count(findings, ROW, model, planes);
    }
  }

  private static List<Long> counts(Findings... pairs) {
    return NpMergeCharts.coefficients(List.of(pairs)).rows().get(0).counts().get(ROW);
  }

  /** Pair 0 makes four steps; pair 1 stops after two, and keeps the loss 2 of step 0. */
  @Test
  void aStoppedPairCountsWithWhatItKeeps() {
    Findings first = found(List.of(8.0, 6.0, 4.0, 2.0), List.of(4.0, 3.0, 1.0), 4);
    Findings second = found(List.of(2.0, 4.0), List.of(2.0, 5.0), 0);
    NpMergeCharts.Curve curve =
        NpMergeCharts.curves(List.of(first, second), "cca", 2).rows().get(0);
    assertThat(curve.method()).isEqualTo(ROW);
    assertThat(curve.steps()).containsExactly(0L, 2L, 4L);
    assertThat(curve.heldOut()).containsExactly(3.0, 4.0, 1.5);
    assertThat(curve.batchLoss()).containsExactly(5.0, 5.0, 4.0, 2.0);
    assertThat(curve.pairs()).extracting(Learned.Run::bestStep).containsExactly(4L, 0L);
  }

  @Test
  void everyCoefficientIsCounted() {
    Findings first = none();
    Findings second = none();
    count(first, new float[] {0, 0.049f, 0.05f, 1}, false, 4);
    count(second, new float[] {0.5f, 0.5f, 0.999f, 0.47f}, false, 4);
    List<Long> counts = counts(first, second);
    assertThat(counts).hasSize(LearnedRows.BINS);
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
    Findings findings = none();
    count(findings, new float[] {0.1f, 0.3f, 0.9f, 0.7f}, true, 2, 2);
    List<Long> counts = counts(findings);
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(2);
    assertThat(counts.get(2)).isEqualTo(1);
    assertThat(counts.get(6)).isEqualTo(1);
  }
}
