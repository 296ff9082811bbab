// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/**
 * Waits for a step of an {@code AsynchronousFileChannel} in any case: its buffer must not be let go
 * before, and an interruption must not close the file as it closes a {@code FileChannel}. A thread
 * that was interrupted gets the result and stays interrupted.
 */
public final class Uninterrupted {
  private Uninterrupted() {}

  public static <T> T get(Future<T> step) throws IOException {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return step.get();
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
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
