// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.merganser.error.NativeLibraryException;

/**
 * JavaCPP refuses to allocate when native memory passes its limits, which follow the heap size:
 * {@code maxBytes} (what it allocated itself; the heap size by default) and {@code
 * maxPhysicalBytes} (the whole process; four times that). Its OutOfMemoryError says neither.
 */
public final class JavaCppLimit {
  /** Bytes of ours between two looks of JavaCPP at its limits. */
  private static final long INTERVAL = 16 << 20;

  private static final AtomicLong UNCOUNTED = new AtomicLong();

  private JavaCppLimit() {}

  /**
   * Memory that is about to be allocated through this library, which JavaCPP does not see. What is
   * never closed must not grow without bounds: after every 16 MiB JavaCPP is made to compare the
   * process with its limits, and to collect garbage beyond them. Each time would take longer than
   * small allocations do.
   */
  static void count(long bytes) {
    if (UNCOUNTED.addAndGet(bytes) >= INTERVAL) {
      UNCOUNTED.set(0);
      explain(() -> new BytePointer(1)).close();
    }
  }

  /** Runs an allocation, with an explanation when a limit stops it. */
  public static <T> T explain(Supplier<T> allocation) {
    try {
      return allocation.get();
    } catch (OutOfMemoryError e) {
      throw explained(e);
    }
  }

  /** The exception to throw instead, or the error itself when it has another cause. */
  public static NativeLibraryException explained(OutOfMemoryError e) {
    if (!isLimit(e)) {
      throw e;
    }
    return new NativeLibraryException(
        "native memory reached a limit of JavaCPP: this process uses "
            + mebibytes(Pointer.physicalBytes())
            + ", maxPhysicalBytes is "
            + mebibytes(Pointer.maxPhysicalBytes())
            + " (4 x the heap unless set), maxBytes is "
            + mebibytes(Pointer.maxBytes())
            + "; raise -Dorg.bytedeco.javacpp.maxPhysicalBytes (0 for no limit) or -Xmx",
        e);
  }

  /** Whether JavaCPP has thrown it: the Java heap need not be full then. */
  public static boolean isLimit(OutOfMemoryError e) {
    String message = String.valueOf(e.getMessage());
    return message.contains("physicalBytes")
        || message.contains("totalBytes")
        || message.contains("maxBytes");
  }

  private static String mebibytes(long bytes) {
    return (bytes >> 20) + " MiB";
  }
}
