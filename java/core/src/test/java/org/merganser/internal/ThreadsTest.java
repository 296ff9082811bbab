// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.CancelledException;
import org.merganser.testing.RunsOnce;

@RunsOnce("calls Java only")
class ThreadsTest {
  private final AtomicInteger running = new AtomicInteger();

  /** Does not stop when it is told to. */
  private Void stubborn(CountDownLatch begun) {
    running.incrementAndGet();
    begun.countDown();
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(200);
    while (System.nanoTime() < end) {
      LockSupport.parkNanos(1_000_000);
    }
    running.decrementAndGet();
    return null;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void resultsComeInOrder(int count) throws IOException {
    try (Threads threads = new Threads(count)) {
      List<Callable<Integer>> calls = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        int value = i;
        calls.add(() -> value * value);
      }
      List<Integer> found = threads.all(calls);
      for (int i = 0; i < 20; i++) {
        assertThat(found.get(i)).isEqualTo(i * i);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void theFirstExceptionIsThrownWhenAllHaveEnded(int count) {
    try (Threads threads = new Threads(count)) {
      List<Callable<Void>> calls =
          List.of(
              () -> stubborn(new CountDownLatch(1)),
              () -> {
                throw new IOException("second");
              },
              () -> {
                throw new IllegalStateException("third");
              });
      assertThatThrownBy(() -> threads.all(calls))
          .isInstanceOf(IOException.class)
          .hasMessage("second");
      assertThat(running).hasValue(0);
    }
  }

  /** Nobody else could: the caller gets none of them. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void whatOthersOpenedIsClosedWhenOneFails(int count) throws IOException {
    AtomicInteger open = new AtomicInteger();
    Callable<AutoCloseable> opens =
        () -> {
          open.incrementAndGet();
          return open::decrementAndGet;
        };
    Callable<AutoCloseable> fails =
        () -> {
          throw new IOException("diverged");
        };
    try (Threads threads = new Threads(count)) {
      assertThatThrownBy(() -> threads.all(List.of(opens, fails, opens))).hasMessage("diverged");
      assertThat(open).hasValue(0);
      assertThat(threads.all(List.of(opens, opens))).hasSize(2);
      assertThat(open).hasValue(2);
    }
  }

  /** Otherwise what they use would be closed under them. */
  @Test
  void anInterruptedCallerWaitsForWhatRuns() throws Exception {
    CountDownLatch begun = new CountDownLatch(2);
    Thread caller = Thread.currentThread();
    Thread interrupter =
        new Thread(
            () -> {
              try {
                begun.await();
                caller.interrupt();
              } catch (InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    try (Threads threads = new Threads(2)) {
      interrupter.start();
      List<Callable<Void>> calls = List.of(() -> stubborn(begun), () -> stubborn(begun));
      assertThatThrownBy(() -> threads.all(calls))
          .isInstanceOf(CancelledException.class)
          .hasMessage("interrupted");
      assertThat(running).hasValue(0);
      assertThat(Thread.interrupted()).isTrue();
    }
    interrupter.join();
  }
}
