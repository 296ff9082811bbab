// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.concurrent.locks.ReentrantLock;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_context;

/** One native context. It serves one call at a time: threads that share it take turns. */
final class Context extends Lifetime {
  private final mg_context pointer;
  private final int device;
  private final ReentrantLock turn = new ReentrantLock();
  private final Scratch scratch = new Scratch();
  private final Runnable beforeFree;

  Context(int backend, int threads, Runnable beforeFree) {
    this.beforeFree = beforeFree;
    this.device =
        backend == merganser.MG_BACKEND_CPU ? merganser.MG_DEVICE_HOST : merganser.MG_DEVICE_CUDA;
    try (PointerPointer<mg_context> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      Status.check(merganser.mg_context_create(backend, threads, out));
      this.pointer = new mg_context(new Address(out.get(0).address()));
    }
  }

  /** Waits for its turn. */
  Call enter() {
    return enter(null);
  }

  /**
   * Waits for its turn, to use state of this context.
   *
   * @throws IllegalStateException when either is closed
   */
  Call enter(Handle handle) {
    Call call = new Call(this, handle);
    if (handle != null && !handle.acquire()) {
      throw handle.closed();
    }
    if (!acquire()) {
      release(handle);
      throw closed();
    }
    turn.lock();
    if (!isOpen()) {
      leave(handle);
      throw closed();
    }
    return call;
  }

  /** For the call that has its turn. */
  Scratch scratch() {
    return scratch;
  }

  void leave(Handle handle) {
    scratch.clear();
    turn.unlock();
    release(handle);
    release();
  }

  private static void release(Handle handle) {
    if (handle != null) {
      handle.release();
    }
  }

  mg_context pointer() {
    return pointer;
  }

  /** Code of the device that it computes on. */
  int device() {
    return device;
  }

  private static IllegalStateException closed() {
    return new IllegalStateException("this Workspace is already closed");
  }

  @Override
  void free() {
    beforeFree.run();
    merganser.mg_context_destroy(pointer);
    scratch.free();
  }
}
