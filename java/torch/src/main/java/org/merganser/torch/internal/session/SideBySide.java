// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Progress;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;

/**
 * Runs optimisations side by side, such as training, fine-tuning or NP Merge, each with one thread
 * and a Workspace of its own: what one of them finds does not depend on the others, nor on how many
 * run at once. All have ended when one has failed, and what the others found is closed.
 *
 * @param ws says on which backend, how many at once, and until when; it is told of their steps
 * @param steps of each, at most
 */
public record SideBySide(Workspace ws, long steps) {

  /** One of them. */
  @FunctionalInterface
  public interface Job<T> {
    /**
     * @param own its Workspace, closed afterwards
     */
    T run(Workspace own) throws IOException;
  }

  /**
   * Runs all and returns what they find, in their order.
   *
   * @param stage for progress
   * @param seeds of the Workspace of each
   */
  public <T> List<T> all(String stage, List<Long> seeds, List<? extends Job<T>> jobs)
      throws IOException {
    AtomicLong done = new AtomicLong();
    List<Callable<T>> calls = new ArrayList<>();
    for (int i = 0; i < jobs.size(); i++) {
      int at = i;
      calls.add(() -> one(jobs.get(at), stage, seeds.get(at), done, jobs.size() * steps));
    }
    try (Threads threads = new Threads(Math.min(ws.threads(), Math.max(1, jobs.size())))) {
      return threads.all(calls);
    }
  }

  private <T> T one(Job<T> job, String stage, long seed, AtomicLong done, long total)
      throws IOException {
    long[] own = new long[1];
    try (Workspace workspace =
        Workspace.builder()
            .backend(ws.backend())
            .threads(1)
            .seed(seed)
            .cancellation(ws.cancellation())
            .progress(
                new Progress() {
                  @Override
                  public void report(String s, long step, long of) {
                    report(s, step, of, "");
                  }

                  @Override
                  public void report(String s, long step, long of, String detail) {
                    // Statistics of a later round report too; they are no steps.
                    if (of == steps && own[0] < steps) {
                      own[0]++;
                      SideBySide.this.report(stage, done.incrementAndGet(), total, detail);
                    }
                  }
                })
            .open()) {
      T result = job.run(workspace);
      // It may have stopped early.
      report(stage, done.addAndGet(steps - own[0]), total, "");
      return result;
    }
  }

  private void report(String stage, long done, long total, String detail) {
    synchronized (ws) {
      ws.progress().report(stage, done, total, detail);
    }
  }
}
