// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/**
 * Bytes outside the heap as {@link Kernels} take them. Routines reach the address through a {@link
 * Call} only, which keeps the bytes until it ends; element access through {@link #enter}, buffers
 * through {@link #view}. So bytes are never freed under anyone, whichever thread closes them.
 *
 * <p>Counting users takes two atomic operations, which one element is not worth. So the first
 * thread that reads or writes elements does so without: what it may be reading is freed by itself
 * or by the last user, and when another thread closes meanwhile, by the collector.
 */
public final class Block {
  /** {@code -Dmerganser.trackAllocations=true} logs where memory came from that nobody closed. */
  private static final boolean TRACKED = Boolean.getBoolean("merganser.trackAllocations");

  private static final System.Logger LOG = System.getLogger("org.merganser.compute.Memory");
  private static final Cleaner CLEANER = Cleaner.create();

  /** The stream of memory that nobody else works on. */
  static final long NO_STREAM = -1;

  private final Root root;
  private final Object owner;
  private final long address;
  private final long bytes;
  private final int device;
  private final boolean part;
  private volatile boolean closed;

  private Block(Root root, Object owner, long address, long bytes, int device, boolean part) {
    this.root = root;
    this.owner = owner;
    this.address = address;
    this.bytes = bytes;
    this.device = device;
    this.part = part;
  }

  /** The bytes of memory or of a tensor. */
  public static Block of(BlockHolder holder) {
    return holder.block();
  }

  /**
   * A part of memory or of a tensor on the host as a buffer for a while; a range that is not within
   * is refused.
   */
  public static View view(BlockHolder holder, long offset, int length) {
    return holder.view(offset, length);
  }

  /** Host memory, 64-byte aligned, not initialised. */
  public static Block allocate(long bytes) {
    return owned(HostMemory.allocate(bytes), bytes, Codes.ON_HOST);
  }

  /** Memory of the library's allocator, which this frees. */
  static Block owned(long address, long bytes, int device) {
    // The cleaner watches the owner, which this block, its parts and buffers keep reachable.
    Object owner = new Object();
    Root root = new Root(address, bytes);
    root.cleanable = CLEANER.register(owner, root);
    return new Block(root, owner, address, bytes, device, false);
  }

  /**
   * Memory of another library, never freed here; {@code owner} is kept reachable.
   *
   * @param stream in which the library works on it, on a device
   */
  public static Block lent(long address, long bytes, int device, long stream, Object owner) {
    Block block = new Block(new Root(address, bytes), owner, address, bytes, device, false);
    block.shareIn(stream, () -> {});
    return block;
  }

  /**
   * From now on another library works on the bytes too, on a device in the given stream: calls wait
   * for it, and it for them.
   *
   * @param finish waits until the library has done what was asked of it: run before the bytes are
   *     freed, whose next owner knows nothing of the library
   */
  public void shareIn(long stream, Runnable finish) {
    if (device != Codes.ON_HOST) {
      root.finish = finish;
      root.stream = stream;
    }
  }

  /** A part; closing it frees nothing. The range must lie within. */
  public Block part(long offset, long length) {
    requireOpen();
    return new Block(root, this, address + offset, length, device, true);
  }

  /** What lies from an offset on. */
  public Block from(long offset) {
    return part(offset, bytes - offset);
  }

  public long bytes() {
    return bytes;
  }

  /** Code of the device. */
  public int device() {
    return device;
  }

  /** The stream that a call must be in order with, or {@link #NO_STREAM}. */
  long stream() {
    return root.stream;
  }

  /** For other libraries, whose callers keep this open and reachable. */
  public long address() {
    requireOpen();
    return address;
  }

  /** Frees the bytes when nobody uses them any more; further calls do nothing. */
  public void close() {
    closed = true;
    if (!part) {
      // Whoever closes is not reading.
      if (root.reader == Thread.currentThread()) {
        root.reader = null;
      }
      root.close();
    }
  }

  /** Throws when this or what it is a part of was closed. */
  public void requireOpen() {
    if (!isOpen()) {
      throw closed();
    }
  }

  private boolean isOpen() {
    return !closed && root.isOpen() && !(owner instanceof Block parent && !parent.isOpen());
  }

  private IllegalStateException closed() {
    return new IllegalStateException("memory of " + bytes + " bytes is already closed");
  }

  /** Keeps the bytes until {@link #release}. */
  public void acquire() {
    if (!root.acquire()) {
      throw closed();
    }
    if (!isOpen()) {
      root.release();
      throw closed();
    }
  }

  public void release() {
    root.release();
  }

  /**
   * Keeps the bytes while elements are read or written.
   *
   * @return for {@link #leave}
   */
  public boolean enter() {
    if (root.reader == Thread.currentThread()) {
      requireOpen();
      return false;
    }
    acquire();
    root.claim();
    return true;
  }

  public void leave(boolean counted) {
    if (counted) {
      root.release();
    }
    Reference.reachabilityFence(this);
  }

  /** Copies a block of the same size, which may overlap this; both on the host. */
  public void copyFrom(Block from) {
    acquire();
    try {
      from.acquire();
      try {
        HostMemory.copy(address, from.address, bytes);
      } finally {
        from.release();
      }
    } finally {
      release();
    }
  }

  /** The address for a call that has acquired this. */
  long pinned() {
    assert root.isUsed();
    return address;
  }

  /** A part as a buffer for use between {@link #enter} and {@link #leave} only. */
  public ByteBuffer window(long offset, int length) {
    return HostMemory.view(address + offset, length);
  }

  /** A part as a buffer, which must not be used when the view is closed. */
  public View view(long offset, int length) {
    acquire();
    return new View(this, HostMemory.view(address + offset, length));
  }

  /**
   * A part as a buffer that keeps the bytes as long as it, or what was made of it, is reachable.
   */
  public ByteBuffer buffer(long offset, int length) {
    acquire();
    ByteBuffer buffer = HostMemory.view(address + offset, length);
    CLEANER.register(buffer, this::release);
    return buffer;
  }

  /** A buffer for a while. */
  public static final class View implements AutoCloseable {
    private final Block block;
    private final ByteBuffer buffer;

    private View(Block block, ByteBuffer buffer) {
      this.block = block;
      this.buffer = buffer;
    }

    /** Little-endian. */
    public ByteBuffer buffer() {
      return buffer;
    }

    @Override
    public void close() {
      block.release();
    }
  }

  /** The bytes that blocks are parts of. */
  private static final class Root extends Lifetime implements Runnable {
    private final long address;
    private final long bytes;
    private final Throwable site;
    private Cleaner.Cleanable cleanable;

    private volatile long stream = NO_STREAM;

    /** Waits for the library that works in the stream. */
    private volatile Runnable finish = () -> {};

    /** The thread that may be reading without being counted. */
    private volatile Thread reader;

    Root(long address, long bytes) {
      this.address = address;
      this.bytes = bytes;
      this.site = TRACKED ? new Throwable("allocated here") : null;
    }

    /** By a counted user, so that whoever frees sees it. */
    void claim() {
      if (reader == null) {
        synchronized (this) {
          if (reader == null) {
            reader = Thread.currentThread();
          }
        }
      }
    }

    @Override
    void free() {
      Thread other = reader;
      boolean mayBeRead = other != null && other != Thread.currentThread() && other.isAlive();
      if (cleanable != null && !mayBeRead) {
        cleanable.clean();
      }
    }

    /** By the cleaner: once, and when nobody can use it. */
    @Override
    public void run() {
      try {
        finish.run();
      } catch (RuntimeException | LinkageError e) {
        // Of a device that is lost: nothing works on the bytes any more.
        LOG.log(System.Logger.Level.WARNING, "cannot wait for who shares memory to be freed", e);
      }
      HostMemory.free(address);
      if (site != null && isOpen()) {
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
