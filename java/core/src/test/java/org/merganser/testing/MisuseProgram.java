// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Misuses the public API at random: {@code MisuseProgram CALLS [SEED]}. Ends with 0 when every call
 * gave a right result or one of our exceptions; the seed of a round is printed before it runs, so
 * that a crash of the JVM can be repeated with {@code MisuseProgram 1 SEED}.
 */
public final class MisuseProgram {
  private static final int CALLS_OF_A_ROUND = 60;
  private static final long LONGEST_ROUND = 60_000_000_000L;

  private MisuseProgram() {}

  public static void main(String[] args) throws InterruptedException {
    long calls = Long.parseLong(args[0]);
    long first = args.length > 1 ? Long.parseLong(args[1]) : 1;
    AtomicLong started = new AtomicLong(System.nanoTime());
    watch(started);
    long seed = first;
    for (long done = 0; done < calls; done += CALLS_OF_A_ROUND) {
      System.out.println("seed " + seed);
      started.set(System.nanoTime());
      try {
        // Every other round has one thread, so that each outcome is known.
        new MisuseRound(seed).run(CALLS_OF_A_ROUND, seed % 2 == 0 ? 1 : 4);
      } catch (MisuseRound.Fault e) {
        e.printStackTrace(System.out);
        System.exit(1);
      }
      seed++;
    }
    System.out.println("ended well after " + (seed - first) + " rounds");
  }

  /** Says where everybody stands when a round does not end. */
  private static void watch(AtomicLong started) {
    Thread watcher =
        new Thread(
            () -> {
              while (System.nanoTime() - started.get() < LONGEST_ROUND) {
                try {
                  Thread.sleep(1000);
                } catch (InterruptedException e) {
                  return;
                }
              }
              System.out.println("the round does not end");
              Thread.getAllStackTraces()
                  .forEach(
                      (thread, stack) -> {
                        System.out.println(thread);
                        for (StackTraceElement element : stack) {
                          System.out.println("    at " + element);
                        }
                      });
              Runtime.getRuntime().halt(3);
            },
            "watcher");
    watcher.setDaemon(true);
    watcher.start();
  }
}
