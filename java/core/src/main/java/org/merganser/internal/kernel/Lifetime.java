// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Whether something native is open, and how many use it. It is freed once: when it has been closed
 * and nobody uses it any more. So closing never takes away what a running routine works on, and
 * never waits; whoever comes later is refused.
 */
abstract class Lifetime {
  /** The sign of the state; the other bits count the users. */
  private static final int CLOSED = Integer.MIN_VALUE;

  private static final VarHandle STATE;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Lifetime.class, "state", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private volatile int state;

  final boolean isOpen() {
    return state >= 0;
  }

  final boolean isUsed() {
    return (state & ~CLOSED) != 0;
  }

  /** Becomes a user; {@link #release} must follow. False when it is closed. */
  final boolean acquire() {
    while (true) {
      int now = state;
      if (now < 0) {
        return false;
      }
      if (STATE.weakCompareAndSet(this, now, now + 1)) {
        return true;
      }
    }
  }

  final void release() {
    if ((int) STATE.getAndAdd(this, -1) == CLOSED + 1) {
      free();
    }
  }

  /** Closes, at once for those who come later; further calls do nothing. */
  final void close() {
    if ((int) STATE.getAndBitwiseOr(this, CLOSED) == 0) {
      free();
    }
  }

  /** Called once, by the thread that closes or by the last user. */
  abstract void free();
}
