// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.util.ArrayDeque;
import java.util.Deque;
import org.merganser.error.MerganserException;

/**
 * What a method has opened so far. Goes into the head of a {@code try}: everything is closed again,
 * the last first, unless {@link #release} hands it to what the method returns.
 */
public final class Opened implements AutoCloseable {
  private final Deque<AutoCloseable> resources = new ArrayDeque<>();

  /** Adds a resource and returns it. */
  public <T extends AutoCloseable> T add(T resource) {
    resources.push(resource);
    return resource;
  }

  /** From now on everything added belongs to somebody else. */
  public void release() {
    resources.clear();
  }

  @Override
  public void close() {
    MerganserException failure = null;
    while (!resources.isEmpty()) {
      try {
        resources.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = new MerganserException("cannot close: " + e.getMessage(), e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
