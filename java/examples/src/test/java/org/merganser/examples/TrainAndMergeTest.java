// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The example runs, and alignment helps in it. */
class TrainAndMergeTest {
  @Test
  void alignmentHelps() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    try (PrintStream capture = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      System.setOut(capture);
      TrainAndMerge.main(new String[0]);
    } finally {
      System.setOut(before);
    }
    List<Double> accuracies =
        bytes
            .toString(StandardCharsets.UTF_8)
            .lines()
            .map(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
            .toList();
    assertThat(accuracies).hasSize(5);
    assertThat(accuracies.get(0)).isGreaterThan(0.7);
    assertThat(accuracies.get(3)).isGreaterThan(accuracies.get(2) + 0.1);
    assertThat(accuracies.get(4)).isGreaterThan(accuracies.get(3));
  }
}
