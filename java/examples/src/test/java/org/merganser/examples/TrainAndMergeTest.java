// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The example runs, and alignment helps in it. */
class TrainAndMergeTest {
  @Test
  void alignmentHelps() throws IOException {
    List<String> lines = ExampleProcess.leftBehind("train").lines().toList();
    assertThat(lines).last().isEqualTo("bytes left: 0");
    List<Double> accuracies =
        lines.stream()
            .limit(lines.size() - 1)
            .map(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
            .toList();
    assertThat(accuracies).hasSize(5);
    assertThat(accuracies.get(0)).isGreaterThan(0.7);
    assertThat(accuracies.get(3)).isGreaterThan(accuracies.get(2) + 0.1);
    assertThat(accuracies.get(4)).isGreaterThan(accuracies.get(3));
  }
}
