// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import org.junit.jupiter.api.Test;

class ConsoleProgressTest {
  private final List<String> shown = new CopyOnWriteArrayList<>();

  private ConsoleProgress terminal() {
    return new ConsoleProgress(
        true, Optional.of(new DelegatingProgressBarConsumer(shown::add, 120)));
  }

  /** The bar shows the time passed and left, in whole seconds. */
  @Test
  void aStageThatLastsShowsTheTimeLeft() throws InterruptedException {
    try (ConsoleProgress progress = terminal()) {
      progress.report("train", 0, 400);
      Thread.sleep(1100);
      progress.report("train", 100, 400);
      Thread.sleep(1100);
      progress.report("train", 200, 400);
      Thread.sleep(100);
      progress.report("train", 200, 400);
    }
    assertThat(shown).isNotEmpty();
    String last = shown.get(shown.size() - 1);
    assertThat(last).startsWith("train ").contains("50%", "200/400");
    // 1.1 s and more for a quarter: at least 2 s for the rest.
    assertThat(last).containsPattern("\\(0:00:0[2-9] / 0:00:(0[2-9]|[1-5][0-9])\\)");
  }

  @Test
  void theBarShowsTheDetail() throws InterruptedException {
    try (ConsoleProgress progress = terminal()) {
      progress.report("np-merge", 0, 4, "loss 2.3026");
      Thread.sleep(350);
      progress.report("np-merge", 1, 4, "loss 0.6931, held out 0.7000");
    }
    assertThat(shown).isNotEmpty();
    assertThat(shown.get(shown.size() - 1)).contains("25%", "loss 0.6931, held out 0.7000");
  }

  @Test
  void stagesThatAreOverAtOnceShowNothing() {
    try (ConsoleProgress progress = terminal()) {
      for (String stage : List.of("align cca", "path cca", "write x")) {
        for (int i = 0; i <= 10; i++) {
          progress.report(stage, i, 10);
        }
      }
    }
    assertThat(shown).isEmpty();
  }

  @Test
  void everyStageHasItsBar() throws InterruptedException {
    try (ConsoleProgress progress = terminal()) {
      for (String stage : List.of("first", "second")) {
        progress.report(stage, 0, 2);
        Thread.sleep(350);
        progress.report(stage, 1, 2);
        progress.report(stage, 2, 2);
      }
    }
    assertThat(shown).anyMatch(line -> line.startsWith("first ") && line.contains("100%"));
    assertThat(shown).anyMatch(line -> line.startsWith("second ") && line.contains("100%"));
  }
}
