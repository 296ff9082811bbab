// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

/** State that a backend keeps for one object, and how it is freed. */
final class Handle extends Lifetime {
  private final String name;
  private final Runnable destroy;

  /**
   * @param name for messages
   * @param destroy must not refer to the object whose state it is
   */
  Handle(String name, Runnable destroy) {
    this.name = name;
    this.destroy = destroy;
  }

  IllegalStateException closed() {
    return new IllegalStateException(name + " is closed");
  }

  @Override
  void free() {
    destroy.run();
  }
}
