// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.BlockHolder;
import org.merganser.internal.kernel.Kernels;

/**
 * A block of bytes outside the heap, 64-byte aligned when allocated here. It is freed by {@link
 * #close} or, as a safety net, after the last reference is gone. Lent memory ({@link #wrap}) is
 * never freed; its owner is kept reachable.
 *
 * <p>Element access is for the host only, little-endian, at any alignment. Use after close throws
 * {@link IllegalStateException}. Any thread may close, at any time: who uses the memory at that
 * moment, a native routine, a copy, the reading of a file or a {@link #buffer}, ends undisturbed,
 * and then it is freed. Memory whose elements another thread has read or written one by one is left
 * to the collector when it is closed. Contents are not synchronised: share for reading, confine for
 * writing.
 */
public final class Memory extends BlockHolder implements AutoCloseable {
  /**
   * Buffers reach 2^31-1 bytes; windows are a power of two so that aligned elements never straddle.
   */
  private static final int WINDOW_BITS = 30;

  private static final int WINDOW = 1 << WINDOW_BITS;

  private final Block block;
  private final Device device;
  private volatile ByteBuffer[] windows;

  private Memory(Block block, Device device) {
    this.block = block;
    this.device = device;
  }

  /** Host memory, not initialised. */
  public static Memory allocate(long bytes) {
    requirePositive(bytes);
    return new Memory(Block.allocate(bytes), Device.HOST);
  }

  /**
   * Memory where a Workspace computes, not initialised.
   *
   * @throws IllegalStateException when the Workspace is closed
   */
  public static Memory allocate(long bytes, Workspace ws) {
    requirePositive(bytes);
    return new Memory(Kernels.of(ws).allocate(bytes), ws.device());
  }

  private static void requirePositive(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("cannot allocate " + bytes + " bytes");
    }
  }

  /**
   * Memory of another library, which works on it in the default stream when it is on a device.
   * {@code owner} stays reachable as long as this.
   */
  public static Memory wrap(long address, long bytes, Device device, Object owner) {
    return wrap(address, bytes, device, 0, owner);
  }

  /**
   * Memory of another library. {@code owner} stays reachable as long as this.
   *
   * @param stream in which that library works on it, on a device: a {@code cudaStream_t}, 0 for the
   *     default stream. What uses the memory here begins when everything is done that lies on the
   *     stream by then, and what is put on the stream later waits for it; the host does not wait
   */
  public static Memory wrap(long address, long bytes, Device device, long stream, Object owner) {
    if (bytes < 0 || address == 0 && bytes > 0) {
      throw new IllegalArgumentException("cannot wrap " + bytes + " bytes at " + address);
    }
    return new Memory(Block.lent(address, bytes, device.code(), stream, owner), device);
  }

  /** A part of this memory; closing it frees nothing. */
  public Memory slice(long offset, long length) {
    checkRange(offset, length);
    return new Memory(block.part(offset, length), device);
  }

  /**
   * Address of the first byte, for other libraries. Nothing here knows that they use it: the caller
   * keeps this open and reachable as long as they do.
   */
  public long address() {
    return block.address();
  }

  @Override
  protected Block block() {
    return block;
  }

  public long bytes() {
    return block.bytes();
  }

  public Device device() {
    return device;
  }

  public byte getByte(long offset) {
    boolean counted = block.enter();
    try {
      return window(offset, 1).get(at(offset));
    } finally {
      block.leave(counted);
    }
  }

  public void putByte(long offset, byte value) {
    boolean counted = block.enter();
    try {
      window(offset, 1).put(at(offset), value);
    } finally {
      block.leave(counted);
    }
  }

  public short getShort(long offset) {
    boolean counted = block.enter();
    try {
      return window(offset, 2).getShort(at(offset));
    } finally {
      block.leave(counted);
    }
  }

  public void putShort(long offset, short value) {
    boolean counted = block.enter();
    try {
      window(offset, 2).putShort(at(offset), value);
    } finally {
      block.leave(counted);
    }
  }

  public long getLong(long offset) {
    boolean counted = block.enter();
    try {
      return window(offset, 8).getLong(at(offset));
    } finally {
      block.leave(counted);
    }
  }

  public void putLong(long offset, long value) {
    boolean counted = block.enter();
    try {
      window(offset, 8).putLong(at(offset), value);
    } finally {
      block.leave(counted);
    }
  }

  public float getFloat(long offset) {
    boolean counted = block.enter();
    try {
      return window(offset, 4).getFloat(at(offset));
    } finally {
      block.leave(counted);
    }
  }

  public void putFloat(long offset, float value) {
    boolean counted = block.enter();
    try {
      window(offset, 4).putFloat(at(offset), value);
    } finally {
      block.leave(counted);
    }
  }

  public double getDouble(long offset) {
    boolean counted = block.enter();
    try {
      return window(offset, 8).getDouble(at(offset));
    } finally {
      block.leave(counted);
    }
  }

  public void putDouble(long offset, double value) {
    boolean counted = block.enter();
    try {
      window(offset, 8).putDouble(at(offset), value);
    } finally {
      block.leave(counted);
    }
  }

  /**
   * A buffer over a part of this memory, for bulk copies and channels. It keeps the bytes: they are
   * freed when this is closed and the buffer, and what was sliced from it, is no longer reachable.
   */
  public ByteBuffer buffer(long offset, int length) {
    checkHost();
    checkRange(offset, length);
    return block.buffer(offset, length);
  }

  /** Costs less than {@link #buffer}. */
  @Override
  protected Block.View view(long offset, int length) {
    checkHost();
    checkRange(offset, length);
    return block.view(offset, length);
  }

  /** Sets every byte to zero. */
  public void clear() {
    checkHost();
    byte[] zeros = new byte[(int) Math.min(bytes(), 1 << 16)];
    for (long done = 0; done < bytes(); ) {
      int length = (int) Math.min(bytes() - done, WINDOW);
      try (Block.View view = block.view(done, length)) {
        ByteBuffer buffer = view.buffer();
        while (buffer.hasRemaining()) {
          buffer.put(zeros, 0, Math.min(zeros.length, buffer.remaining()));
        }
      }
      done += length;
    }
  }

  /**
   * Copies all of {@code from}, which must be as large, into this, whichever devices they lie on.
   * Within the host the Workspace is not used: any thread may copy at any time.
   */
  public void copyFrom(Memory from, Workspace ws) {
    if (device == Device.HOST && from.device == Device.HOST) {
      copyFrom(from);
    } else {
      checkSize(from);
      Kernels.of(ws).copy(block, from.block);
    }
  }

  /** Copies all of {@code from}, which must be as large, into this; both on the host. */
  public void copyFrom(Memory from) {
    checkSize(from);
    checkHost();
    from.checkHost();
    block.copyFrom(from.block);
  }

  /**
   * Keeps objects, and so the memory they own, reachable up to this call. Goes after every use of
   * an {@link #address}.
   */
  public static void keepAlive(Object... objects) {
    Reference.reachabilityFence(objects);
  }

  /**
   * Frees owned memory when nobody uses it any more: at once, as a rule. Further calls do nothing.
   */
  @Override
  public void close() {
    block.close();
    windows = null;
  }

  /** By a user of the block. */
  private ByteBuffer window(long offset, int length) {
    if (offset < 0 || offset > bytes() - length) {
      throw new IndexOutOfBoundsException(
          "offset " + offset + " + " + length + " of " + bytes() + " bytes");
    }
    ByteBuffer[] all = windows;
    if (all == null) {
      all = windows();
      windows = all;
    }
    return all[(int) (offset >>> WINDOW_BITS)];
  }

  private static int at(long offset) {
    return (int) (offset & (WINDOW - 1));
  }

  private ByteBuffer[] windows() {
    checkHost();
    ByteBuffer[] result = new ByteBuffer[(int) ((bytes() + WINDOW - 1) >>> WINDOW_BITS)];
    for (int i = 0; i < result.length; i++) {
      long start = (long) i << WINDOW_BITS;
      // Eight bytes more, so that an unaligned element may cross the border.
      result[i] = block.window(start, (int) Math.min(bytes() - start, WINDOW + 8L));
    }
    return result;
  }

  private void checkHost() {
    block.requireOpen();
    if (device != Device.HOST) {
      throw new IllegalStateException("memory on " + device + " cannot be read from the host");
    }
  }

  private void checkSize(Memory from) {
    if (from.bytes() != bytes()) {
      throw new IllegalArgumentException(
          "cannot copy " + from.bytes() + " bytes into memory of " + bytes());
    }
  }

  private void checkRange(long offset, long length) {
    if (offset < 0 || length < 0 || offset > bytes() - length) {
      throw new IndexOutOfBoundsException(
          "range " + offset + " + " + length + " of " + bytes() + " bytes");
    }
  }
}
