// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;

/**
 * Waits for a step of an {@code AsynchronousFileChannel} in any case: its buffer must not be let go
 * before, and an interruption must not close the file as it closes a {@code FileChannel}. A thread
 * that was interrupted gets the result and stays interrupted.
 */
public final class Uninterrupted {
  private Uninterrupted() {}

  /** What may fail as files do. */
  @FunctionalInterface
  public interface Action {
    void run() throws IOException;
  }

  /** Runs on a thread of its own, which nobody interrupts, so that file channels stay open. */
  public static void run(Action action) throws IOException {
    FutureTask<Void> task =
        new FutureTask<>(
            () -> {
              action.run();
              return null;
            });
    Thread thread = new Thread(task, "merganser-files");
    thread.setDaemon(true);
    thread.start();
    get(task);
  }

  public static <T> T get(Future<T> step) throws IOException {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return step.get();
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          if (e.getCause() instanceof RuntimeException cause) {
            throw cause;
          }
          throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
