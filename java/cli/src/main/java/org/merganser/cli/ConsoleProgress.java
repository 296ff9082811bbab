// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.merganser.compute.Progress;

/**
 * A progress bar on a terminal; elsewhere one line for each stage that lasts. Both on standard
 * error.
 */
final class ConsoleProgress implements Progress, AutoCloseable {
  private final boolean terminal = System.console() != null;
  private static final long LASTING_NANOS = 1_000_000_000L;

  private String stage = "";
  private long started;
  private boolean told;
  private ProgressBar bar;

  @Override
  public synchronized void report(String newStage, long done, long total) {
    if (!newStage.equals(stage)) {
      finish();
      stage = newStage;
      started = System.nanoTime();
      told = false;
      if (terminal) {
        bar =
            new ProgressBarBuilder()
                .setTaskName(newStage)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .build();
      }
    }
    if (!terminal && !told && System.nanoTime() - started > LASTING_NANOS) {
      told = true;
      System.err.println("merganser: " + newStage);
    }
    if (bar != null) {
      bar.maxHint(total);
      bar.stepTo(done);
    }
  }

  /** Ends the bar of the current stage, so that other text can follow. */
  synchronized void finish() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }

  @Override
  public void close() {
    finish();
  }
}
