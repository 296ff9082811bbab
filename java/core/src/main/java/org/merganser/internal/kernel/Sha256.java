// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.bytedeco.javacpp.Pointer;
import org.merganser.natives.global.merganser;

/**
 * SHA-256, in the native library: as quick for the first bytes of a process as later. The JDK's
 * runs in the interpreter first, and is compiled while others want to be.
 */
public final class Sha256 {
  private final byte[] state = new byte[32];
  private long before;

  public Sha256() {
    Natives.load();
  }

  /** In hexadecimal digits. */
  public static String of(ByteBuffer bytes) {
    return new Sha256().end(bytes);
  }

  /** Of a part of the message: a multiple of 64 bytes. */
  public void add(ByteBuffer part) {
    add(part, 0);
  }

  /** Returns the digest in hexadecimal digits; the last part may have any size. */
  public String end(ByteBuffer last) {
    add(last, 1);
    return HexFormat.of().formatHex(state);
  }

  private void add(ByteBuffer part, int last) {
    ByteBuffer direct =
        part.isDirect()
            ? part
            : ByteBuffer.allocateDirect(part.remaining()).put(part.duplicate()).flip();
    int bytes = direct.remaining();
    try (Pointer in = new Pointer(direct)) {
      Status.check(merganser.mg_sha256(in, bytes, before, last, state));
    }
    Reference.reachabilityFence(direct);
    before += bytes;
  }
}
