// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.text.DecimalFormat;
import java.time.Duration;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;
import org.merganser.compute.Progress;

/**
 * For each stage that lasts, a progress bar with the time passed and the time left on a terminal;
 * elsewhere one line. Both on standard error.
 */
final class ConsoleProgress implements Progress, AutoCloseable {
  private static final long LASTING_NANOS = 1_000_000_000L;

  /** Bars come earlier than lines, but not for the many stages that are over at once. */
  private static final long BAR_NANOS = 300_000_000L;

  /** The stage whose units are bytes. */
  private static final String BYTES = "write";

  private final boolean terminal;
  private final Optional<ProgressBarConsumer> consumer;

  private String stage = "";
  private long started;
  private boolean told;
  private ProgressBar bar;

  ConsoleProgress() {
    this(System.console() != null, Optional.empty());
  }

  /**
   * @param consumer of bars, instead of standard error
   */
  ConsoleProgress(boolean terminal, Optional<ProgressBarConsumer> consumer) {
    this.terminal = terminal;
    this.consumer = consumer;
  }

  @Override
  public synchronized void report(String name, long done, long total) {
    // Names of files and spaces are in it.
    String newStage = Printable.line(name);
    if (!newStage.equals(stage)) {
      close();
      stage = newStage;
      started = System.nanoTime();
      told = false;
    }
    long passed = System.nanoTime() - started;
    if (terminal && bar == null && passed > BAR_NANOS) {
      ProgressBarBuilder builder =
          new ProgressBarBuilder()
              .setTaskName(newStage)
              .setInitialMax(total)
              .startsFrom(done, Duration.ofNanos(passed))
              .setStyle(ProgressBarStyle.ASCII);
      if (newStage.equals(BYTES)) {
        builder.setUnit(" GB", 1_000_000_000).showSpeed(new DecimalFormat("0.00"));
      }
      consumer.ifPresent(builder::setConsumer);
      bar = builder.build();
    }
    if (!terminal && !told && passed > LASTING_NANOS) {
      told = true;
      System.err.println("merganser: " + newStage);
    }
    if (bar != null) {
      bar.maxHint(total);
      bar.stepTo(done);
    }
  }

  /** The bar shows the detail too. */
  @Override
  public synchronized void report(String name, long done, long total, String detail) {
    report(name, done, total);
    if (bar != null) {
      bar.setExtraMessage(Printable.line(detail));
    }
  }

  /** Ends the bar of the current stage, so that other text can follow. */
  @Override
  public synchronized void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
