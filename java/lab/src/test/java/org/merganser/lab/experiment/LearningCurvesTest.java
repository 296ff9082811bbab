// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Tensor;

class LearningCurvesTest {
  private static final String ROW = "np-merge+cca";

  private static Findings found(List<Double> losses, List<Double> heldOut, long best) {
    Findings findings = new Findings();
    Map<String, Object> curve = findings.map(LearnedRows.CURVES, ROW);
    curve.put("bestStep", best);
    curve.put("steps", LongStream.range(0, heldOut.size()).mapToObj(i -> 2 * i).toList());
    curve.put("heldOut", heldOut);
    curve.put("batchLoss", losses);
    return findings;
  }

  private static void count(Findings findings, float[] values, boolean planes, long... shape) {
    try (MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.of(values, shape)))) {
      LearnedRows.count(findings, ROW, model, planes);
    }
  }

  @SuppressWarnings("unchecked")
  private static List<Long> counts(Findings... pairs) {
    Section section = NpMergeCharts.coefficients(List.of(pairs));
    return ((Map<String, List<Long>>) section.rows().get(0).get("counts")).get(ROW);
  }

  /** Pair 0 makes four steps; pair 1 stops after two, and keeps the loss 2 of step 0. */
  @Test
  void aStoppedPairCountsWithWhatItKeeps() {
    Findings first = found(List.of(8.0, 6.0, 4.0, 2.0), List.of(4.0, 3.0, 1.0), 4);
    Findings second = found(List.of(2.0, 4.0), List.of(2.0, 5.0), 0);
    Map<String, Object> curve =
        NpMergeCharts.curves(List.of(first, second), "cca", 2).rows().get(0);
    assertThat(curve)
        .containsEntry("method", ROW)
        .containsEntry("steps", List.of(0L, 2L, 4L))
        .containsEntry("heldOut", List.of(3.0, 4.0, 1.5))
        .containsEntry("batchLoss", List.of(5.0, 5.0, 4.0, 2.0));
    assertThat((List<?>) curve.get("pairs"))
        .extracting(run -> (Object) ((Map<?, ?>) run).get("bestStep"))
        .isEqualTo(List.of(4L, 0L));
  }

  @Test
  void everyCoefficientIsCounted() {
    Findings first = new Findings();
    Findings second = new Findings();
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
    Findings findings = new Findings();
    count(findings, new float[] {0.1f, 0.3f, 0.9f, 0.7f}, true, 2, 2);
    List<Long> counts = counts(findings);
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(2);
    assertThat(counts.get(2)).isEqualTo(1);
    assertThat(counts.get(6)).isEqualTo(1);
  }
}
