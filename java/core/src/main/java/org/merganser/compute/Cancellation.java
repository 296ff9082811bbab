// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import java.util.ArrayList;
import java.util.List;
import org.merganser.error.CancelledException;

/** A switch another thread may throw to stop work; thread-safe. Once cancelled it stays so. */
public final class Cancellation {
  private final List<Runnable> listeners = new ArrayList<>();
  private boolean cancelled;

  /** Stops the work of every Workspace that carries this, at the next tile. */
  public synchronized void cancel() {
    cancelled = true;
    listeners.forEach(Runnable::run);
  }

  public synchronized boolean isCancelled() {
    return cancelled;
  }

  /** Throws {@link CancelledException} when cancelled. */
  public void check() {
    if (isCancelled()) {
      throw new CancelledException("cancelled");
    }
  }

  synchronized void onCancel(Runnable listener) {
    listeners.add(listener);
    if (cancelled) {
      listener.run();
    }
  }

  synchronized void forget(Runnable listener) {
    listeners.remove(listener);
  }
}
