// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.merganser.error.CancelledException;
import org.merganser.error.MerganserException;
import org.merganser.error.NumericalException;

/**
 * One sequence of calls, right and wrong ones, over a pool of things that any thread may close. A
 * call whose arguments are known to be bad must be refused; one whose arguments are good must give
 * the right result; one whose arguments are closed meanwhile may do either. Everything else is a
 * {@link Fault}.
 */
final class MisuseRound {
  /** What must not happen. */
  static final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;

    Fault(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** Something that can be closed, and what is known of it. */
  static final class Held<T extends AutoCloseable> {
    final T object;
    final Held<?> parent;

    /** What it holds, for checks; null when that is not known. */
    final double[] values;

    private volatile boolean closing;
    private volatile boolean closed;
    private volatile boolean cancelling;
    private volatile boolean cancelled;

    Held(T object, double[] values, Held<?> parent) {
      this.object = object;
      this.values = values;
      this.parent = parent;
    }

    boolean isClosed() {
      return closed || parent != null && parent.isClosed();
    }

    boolean isClosing() {
      return closing || parent != null && parent.isClosing();
    }

    boolean isCancelling() {
      return cancelling || parent != null && parent.isCancelling();
    }

    boolean isCancelled() {
      return cancelled || parent != null && parent.isCancelled();
    }

    void close() throws Exception {
      closing = true;
      object.close();
      closed = true;
    }

    void cancel(Runnable cancel) {
      cancelling = true;
      cancel.run();
      cancelled = true;
    }
  }

  /** One call; a result of {@code false} is a wrong one. */
  interface Call {
    boolean run() throws Exception;
  }

  private final List<String> log = Collections.synchronizedList(new ArrayList<>());
  private final long seed;

  MisuseRound(long seed) {
    this.seed = seed;
  }

  /** Runs {@code calls} calls in all on some threads, each with a stream of its own. */
  void run(int calls, int threads) throws InterruptedException {
    SplittableRandom random = new SplittableRandom(seed);
    MisusePool shared = new MisusePool(this, random.split());
    Fault[] faults = new Fault[threads];
    List<Thread> running = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      int me = t;
      MisuseCalls mine = new MisuseCalls(shared, random.split());
      Runnable work =
          () -> {
            try {
              for (int i = 0; i < calls / threads && faults[me] == null; i++) {
                mine.next();
              }
            } catch (Fault e) {
              faults[me] = e;
            } catch (Exception | Error e) {
              faults[me] = fault("the driver failed", e);
            }
          };
      if (threads == 1) {
        work.run();
      } else {
        running.add(new Thread(work, "misuse-" + t));
      }
    }
    running.forEach(Thread::start);
    for (Thread thread : running) {
      thread.join();
    }
    shared.closeAll();
    for (Fault fault : faults) {
      if (fault != null) {
        throw fault;
      }
    }
  }

  /** Makes a call and judges what comes of it. */
  void call(Supplier<String> what, boolean good, boolean computes, List<Held<?>> used, Call call) {
    boolean refused = !good || used.stream().anyMatch(h -> h == null || h.isClosed());
    boolean cancelled = computes && used.stream().anyMatch(h -> h != null && h.isCancelled());
    String name = what.get();
    log.add(Thread.currentThread().getName() + ": " + name);
    boolean right;
    try {
      right = call.run();
    } catch (Exception | Error e) {
      judge(name, e, refused, used);
      return;
    }
    if (refused || cancelled) {
      throw fault(name + " was not refused", null);
    }
    if (!right) {
      throw fault(name + " gave a wrong result", null);
    }
  }

  private void judge(String name, Throwable e, boolean refused, List<Held<?>> used) {
    boolean ours =
        e instanceof MerganserException
            || e instanceof IOException
            || e.getClass() == IllegalArgumentException.class
            || e.getClass() == IllegalStateException.class
            || e.getClass() == NullPointerException.class
            || e.getClass() == IndexOutOfBoundsException.class;
    boolean internal = String.valueOf(e.getMessage()).contains("internal error");
    // The compiler throws one without anything where null is met often.
    boolean bare = e instanceof NullPointerException && e.getStackTrace().length == 0;
    boolean silent = !bare && (e.getMessage() == null || e.getMessage().isBlank());
    if (!ours || internal || silent) {
      throw fault(name + " ended in an exception that is none of ours", e);
    }
    boolean closing = used.stream().anyMatch(h -> h != null && h.isClosing());
    boolean cancelling = used.stream().anyMatch(h -> h != null && h.isCancelling());
    boolean explained =
        refused
            || closing && e instanceof IllegalStateException
            || cancelling && e instanceof CancelledException
            || e instanceof NumericalException;
    if (!explained) {
      throw fault(name + " was refused", e);
    }
  }

  private Fault fault(String what, Throwable cause) {
    return new Fault("seed " + seed + ": " + what + "\n  " + String.join("\n  ", log), cause);
  }

  static List<Held<?>> using(Held<?>... held) {
    return Arrays.asList(held);
  }
}
