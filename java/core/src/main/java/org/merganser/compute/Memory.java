// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.merganser.internal.kernel.HostMemory;

/**
 * A block of bytes outside the heap, 64-byte aligned when allocated here. It is freed by {@link
 * #close} or, as a safety net, after the last reference is gone. Lent memory ({@link #wrap}) is
 * never freed; its owner is kept reachable.
 *
 * <p>Element access is for the host only, little-endian, at any alignment. Reading after close
 * throws {@link IllegalStateException}. Not synchronised: share for reading, confine for writing.
 */
public final class Memory implements AutoCloseable {
  /** {@code -Dmerganser.trackAllocations=true} logs where memory came from that nobody closed. */
  private static final boolean TRACKED = Boolean.getBoolean("merganser.trackAllocations");

  private static final System.Logger LOG = System.getLogger(Memory.class.getName());
  private static final Cleaner CLEANER = Cleaner.create();

  /**
   * Buffers reach 2^31-1 bytes; windows are a power of two so that aligned elements never straddle.
   */
  private static final int WINDOW_BITS = 30;

  private static final int WINDOW = 1 << WINDOW_BITS;

  private final long address;
  private final long bytes;
  private final Device device;
  private final Object owner;
  private final Free free;
  private final Cleaner.Cleanable cleanable;
  private volatile ByteBuffer[] windows;
  private volatile boolean closed;

  private Memory(
      long address,
      long bytes,
      Device device,
      Object owner,
      Free free,
      Cleaner.Cleanable cleanable) {
    this.address = address;
    this.bytes = bytes;
    this.device = device;
    this.owner = owner;
    this.free = free;
    this.cleanable = cleanable;
  }

  /** Host memory, not initialised. */
  public static Memory allocate(long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("cannot allocate " + bytes + " bytes");
    }
    return owned(HostMemory.allocate(bytes), bytes, Device.HOST);
  }

  /** Memory on the device of a Workspace, not initialised; the host for the CPU backend. */
  public static Memory allocate(long bytes, Workspace ws) {
    if (ws.device() == Device.HOST) {
      return allocate(bytes);
    }
    if (bytes < 0) {
      throw new IllegalArgumentException("cannot allocate " + bytes + " bytes");
    }
    return owned(ws.kernels().allocate(bytes), bytes, ws.device());
  }

  private static Memory owned(long address, long bytes, Device device) {
    // The cleaner watches the holder, which this Memory and, through it, its slices keep reachable.
    Holder holder = new Holder();
    Free free = new Free(address, bytes);
    return new Memory(address, bytes, device, holder, free, CLEANER.register(holder, free));
  }

  /** Memory of another library. {@code owner} stays reachable as long as this. */
  public static Memory wrap(long address, long bytes, Device device, Object owner) {
    if (bytes < 0 || address == 0 && bytes > 0) {
      throw new IllegalArgumentException("cannot wrap " + bytes + " bytes at " + address);
    }
    return new Memory(address, bytes, device, owner, null, null);
  }

  /** A part of this memory; closing it frees nothing. */
  public Memory slice(long offset, long length) {
    checkRange(offset, length);
    return new Memory(address() + offset, length, device, this, null, null);
  }

  /** Address of the first byte. */
  public long address() {
    checkOpen();
    return address;
  }

  public long bytes() {
    return bytes;
  }

  public Device device() {
    return device;
  }

  public byte getByte(long offset) {
    byte value = window(offset, 1).get(at(offset));
    Reference.reachabilityFence(this);
    return value;
  }

  public void putByte(long offset, byte value) {
    window(offset, 1).put(at(offset), value);
    Reference.reachabilityFence(this);
  }

  public short getShort(long offset) {
    short value = window(offset, 2).getShort(at(offset));
    Reference.reachabilityFence(this);
    return value;
  }

  public void putShort(long offset, short value) {
    window(offset, 2).putShort(at(offset), value);
    Reference.reachabilityFence(this);
  }

  public long getLong(long offset) {
    long value = window(offset, 8).getLong(at(offset));
    Reference.reachabilityFence(this);
    return value;
  }

  public void putLong(long offset, long value) {
    window(offset, 8).putLong(at(offset), value);
    Reference.reachabilityFence(this);
  }

  public float getFloat(long offset) {
    float value = window(offset, 4).getFloat(at(offset));
    Reference.reachabilityFence(this);
    return value;
  }

  public void putFloat(long offset, float value) {
    window(offset, 4).putFloat(at(offset), value);
    Reference.reachabilityFence(this);
  }

  public double getDouble(long offset) {
    double value = window(offset, 8).getDouble(at(offset));
    Reference.reachabilityFence(this);
    return value;
  }

  public void putDouble(long offset, double value) {
    window(offset, 8).putDouble(at(offset), value);
    Reference.reachabilityFence(this);
  }

  /**
   * A buffer over a part of this memory, for bulk copies and channels. It must not be used after
   * {@link #close}: nothing checks that any more.
   */
  public ByteBuffer buffer(long offset, int length) {
    checkHost();
    checkRange(offset, length);
    return length == 0
        ? ByteBuffer.allocate(0).order(ByteOrder.LITTLE_ENDIAN)
        : HostMemory.view(address + offset, length);
  }

  /** Sets every byte to zero. */
  public void clear() {
    byte[] zeros = new byte[(int) Math.min(bytes, 1 << 16)];
    for (long done = 0; done < bytes; ) {
      int length = (int) Math.min(bytes - done, WINDOW);
      ByteBuffer buffer = buffer(done, length);
      while (buffer.hasRemaining()) {
        buffer.put(zeros, 0, Math.min(zeros.length, buffer.remaining()));
      }
      done += length;
    }
    Reference.reachabilityFence(this);
  }

  /**
   * Copies all of {@code from}, which must be as large, into this, whichever devices they lie on.
   * The only way data move between devices.
   */
  public void copyFrom(Memory from, Workspace ws) {
    if (from.bytes != bytes) {
      throw new IllegalArgumentException(
          "cannot copy " + from.bytes + " bytes into memory of " + bytes);
    }
    ws.kernels().copy(address(), device.ordinal(), from.address(), from.device.ordinal(), bytes);
    keepAlive(this, from);
  }

  /** Copies all of {@code from}, which must be as large, into this; both on the host. */
  public void copyFrom(Memory from) {
    if (from.bytes != bytes) {
      throw new IllegalArgumentException(
          "cannot copy " + from.bytes + " bytes into memory of " + bytes);
    }
    for (long done = 0; done < bytes; ) {
      int length = (int) Math.min(bytes - done, WINDOW);
      buffer(done, length).put(from.buffer(done, length));
      done += length;
    }
    keepAlive(this, from);
  }

  /**
   * Keeps objects, and so the memory they own, reachable up to this call. Goes after every native
   * call that was given their addresses.
   */
  public static void keepAlive(Object... objects) {
    Reference.reachabilityFence(objects);
  }

  /** Frees owned memory; further calls do nothing. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      windows = null;
      if (cleanable != null) {
        free.closed = true;
        cleanable.clean();
      }
    }
  }

  private ByteBuffer window(long offset, int length) {
    checkOpen();
    if (offset < 0 || offset > bytes - length) {
      throw new IndexOutOfBoundsException(
          "offset " + offset + " + " + length + " of " + bytes + " bytes");
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
    ByteBuffer[] result = new ByteBuffer[(int) ((bytes + WINDOW - 1) >>> WINDOW_BITS)];
    for (int i = 0; i < result.length; i++) {
      long start = (long) i << WINDOW_BITS;
      // Eight bytes more, so that an unaligned element may cross the border.
      result[i] = HostMemory.view(address + start, (int) Math.min(bytes - start, WINDOW + 8L));
    }
    return result;
  }

  private void checkHost() {
    checkOpen();
    if (device != Device.HOST) {
      throw new IllegalStateException("memory on " + device + " cannot be read from the host");
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("memory of " + bytes + " bytes is already closed");
    }
    if (owner instanceof Memory parent) {
      parent.checkOpen();
    }
  }

  private void checkRange(long offset, long length) {
    if (offset < 0 || length < 0 || offset > bytes - length) {
      throw new IndexOutOfBoundsException(
          "range " + offset + " + " + length + " of " + bytes + " bytes");
    }
  }

  /** Its reachability stands for that of the bytes. */
  private static final class Holder {}

  /** Frees the bytes; says so when the owner forgot to and allocations are tracked. */
  private static final class Free implements Runnable {
    private final long address;
    private final long bytes;
    private final Throwable site;
    private volatile boolean closed;

    Free(long address, long bytes) {
      this.address = address;
      this.bytes = bytes;
      this.site = TRACKED ? new Throwable("allocated here") : null;
    }

    @Override
    public void run() {
      HostMemory.free(address);
      if (site != null && !closed) {
        LOG.log(
            System.Logger.Level.WARNING,
            "native memory of "
                + bytes
                + " bytes was freed by the garbage collector, not by close()",
            site);
      }
    }
  }
}
