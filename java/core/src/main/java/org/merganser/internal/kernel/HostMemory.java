// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_context;

/** Host memory from the library's allocator, and byte buffers over raw addresses. */
public final class HostMemory {
  private HostMemory() {}

  /** 64-byte aligned, not initialised. */
  public static long allocate(long bytes) {
    Natives.load();
    JavaCppLimit.count(bytes);
    Address out = new Address(0);
    Status.check(merganser.mg_alloc((mg_context) null, bytes, out));
    return out.address();
  }

  public static void free(long address) {
    merganser.mg_free(null, new Address(address));
  }

  /** Of ranges that may overlap. */
  static void copy(long to, long from, long bytes) {
    Pointer.memmove(new Address(to), new Address(from), bytes);
  }

  /** A little-endian view that does not own the memory. {@code bytes} must fit an {@code int}. */
  public static ByteBuffer view(long address, int bytes) {
    if (bytes == 0) {
      return ByteBuffer.allocate(0).order(ByteOrder.LITTLE_ENDIAN);
    }
    BytePointer pointer = new BytePointer(new Address(address));
    return pointer.position(0).capacity(bytes).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }
}
