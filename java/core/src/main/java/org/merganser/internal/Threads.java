// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.merganser.error.CancelledException;
import org.merganser.error.MerganserException;

/** A few Java threads for work that does not share state, such as models in separate sessions. */
public final class Threads implements AutoCloseable {
  private final ExecutorService pool;

  /**
   * @param threads at most this many run at once; with one, the calling thread does all
   */
  public Threads(int threads) {
    this.pool = threads > 1 ? Executors.newFixedThreadPool(threads) : null;
  }

  /**
   * Runs all and returns their results in order. All have ended when this returns or throws; where
   * it throws, results that can be closed are.
   *
   * @throws IOException the first of the exceptions in the order of the calls; unchecked ones
   *     likewise
   * @throws CancelledException when the calling thread is interrupted; this is closed then
   */
  public <T> List<T> all(List<? extends Callable<T>> calls) throws IOException {
    try (Opened made = new Opened()) {
      List<T> results = run(calls.stream().map(call -> kept(call, made)).toList());
      made.release();
      return results;
    }
  }

  private static <T> Callable<T> kept(Callable<T> call, Opened made) {
    return () -> {
      T result = call.call();
      if (result instanceof AutoCloseable resource) {
        synchronized (made) {
          made.add(resource);
        }
      }
      return result;
    };
  }

  private <T> List<T> run(List<Callable<T>> calls) throws IOException {
    List<T> results = new ArrayList<>();
    try {
      if (pool == null || calls.size() == 1) {
        for (Callable<T> each : calls) {
          results.add(each.call());
        }
      } else {
        for (Future<T> future : pool.invokeAll(calls)) {
          results.add(future.get());
        }
      }
    } catch (InterruptedException e) {
      // The calls that run were told to stop, and are not waited for yet.
      close();
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted", e);
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    } catch (IOException | RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new MerganserException("a call failed: " + e, e);
    }
    return results;
  }

  private static RuntimeException rethrown(Throwable cause) throws IOException {
    if (cause instanceof IOException e) {
      throw e;
    }
    if (cause instanceof RuntimeException e) {
      return e;
    }
    if (cause instanceof Error e) {
      throw e;
    }
    return new MerganserException("a call failed: " + cause, cause);
  }

  /** Waits for calls that run. */
  @Override
  public void close() {
    if (pool == null) {
      return;
    }
    pool.shutdownNow();
    boolean interrupted = false;
    while (!pool.isTerminated()) {
      try {
        pool.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
