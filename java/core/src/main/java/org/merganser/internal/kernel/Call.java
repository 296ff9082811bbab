// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_context;

/**
 * One call of a native routine. It holds the context, which no other call enters meanwhile, and all
 * blocks whose addresses it gave: what a routine works on stays until {@link #close}, whoever
 * closes it. There is no other way from a {@link Block} to a routine. A block that lies elsewhere
 * than the context computes is copied for the call. A block that another library lent is taken when
 * that library is done with it, and what it does later waits for the call: on the device, not here.
 */
final class Call implements AutoCloseable {
  private static final long[] NONE = {};

  private final Context context;
  private final Handle handle;
  private Block[] held = new Block[4];
  private int count;

  /** Of libraries that lent blocks; they wait for this in their turn. */
  private long[] streams = NONE;

  /** Blocks and the copies that were written in their place. */
  private List<Block[]> writtenBack = List.of();

  /** Made by {@link Context#enter}. */
  Call(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  mg_context context() {
    return context.pointer();
  }

  /** Memory of the context's device, not initialised. */
  Block allocate(long bytes) {
    JavaCppLimit.count(bytes);
    Address out = new Address(0);
    Status.check(merganser.mg_alloc(context(), bytes, out));
    return Block.owned(out.address(), bytes, context.device());
  }

  /** What a routine reads. NULL for null, as everywhere here. */
  Pointer in(Block block) {
    return new Address(place(block, true, false));
  }

  /** What a routine writes, every element. */
  Pointer out(Block block) {
    return new Address(place(block, false, true));
  }

  /** What a routine reads, or writes in part. */
  Pointer inOut(Block block) {
    return new Address(place(block, true, true));
  }

  LongPointer inOutLongs(Block block) {
    return Address.longs(place(block, true, true));
  }

  DoublePointer inDoubles(Block block) {
    return Address.doubles(place(block, true, false));
  }

  DoublePointer outDoubles(Block block) {
    return Address.doubles(place(block, false, true));
  }

  DoublePointer inOutDoubles(Block block) {
    return Address.doubles(place(block, true, true));
  }

  FloatPointer inFloats(Block block) {
    return Address.floats(place(block, true, false));
  }

  FloatPointer outFloats(Block block) {
    return Address.floats(place(block, false, true));
  }

  /** An array of addresses, as all lists here until this is closed. */
  PointerPointer<Pointer> ins(Block... blocks) {
    return addresses(blocks, true);
  }

  PointerPointer<Pointer> outs(Block... blocks) {
    return addresses(blocks, false);
  }

  private PointerPointer<Pointer> addresses(Block[] blocks, boolean read) {
    LongPointer pointers = longs(blocks.length);
    for (int i = 0; i < blocks.length; i++) {
      pointers.put(i, place(blocks[i], read, !read));
    }
    return Address.pointers(pointers.address());
  }

  DoublePointer list(double... values) {
    DoublePointer list = Address.doubles(context.scratch().take(values.length));
    return values.length == 0 ? list : list.put(values);
  }

  LongPointer list(long... values) {
    LongPointer list = longs(values.length);
    return values.length == 0 ? list : list.put(values);
  }

  IntPointer list(int... values) {
    IntPointer list = Address.ints(context.scratch().take(values.length));
    return values.length == 0 ? list : list.put(values);
  }

  private LongPointer longs(int count) {
    return Address.longs(context.scratch().take(count));
  }

  /** Room for structures of so many bytes. */
  Pointer room(long bytes) {
    return new Address(context.scratch().take((bytes + Long.BYTES - 1) / Long.BYTES));
  }

  /** Fills an array of addresses that is used again and again. */
  void ins(Block[] blocks, LongPointer into) {
    for (int i = 0; i < blocks.length; i++) {
      into.put(i, place(blocks[i], true, false));
    }
  }

  void outs(Block[] blocks, LongPointer into) {
    for (int i = 0; i < blocks.length; i++) {
      into.put(i, place(blocks[i], false, true));
    }
  }

  /**
   * Where the routine finds a block: the bytes themselves, or a copy where the context computes.
   */
  private long place(Block block, boolean read, boolean written) {
    if (block == null) {
      return 0;
    }
    hold(block);
    if (block.device() == context.device()) {
      return block.pinned();
    }
    Block copy = allocate(block.bytes());
    hold(copy);
    // Freed with its last user: this call, or the state that it is detached for.
    copy.close();
    if (read) {
      move(copy, block);
    }
    if (written) {
      writtenBack = writtenBack.isEmpty() ? new ArrayList<>() : writtenBack;
      writtenBack.add(new Block[] {block, copy});
    }
    return copy.pinned();
  }

  /** Copies a block to another of its size, wherever they lie. */
  void copy(Block to, Block from) {
    hold(to);
    hold(from);
    move(to, from);
  }

  private void move(Block to, Block from) {
    Status.check(
        merganser.mg_copy(
            context(),
            new Address(to.pinned()),
            to.device(),
            new Address(from.pinned()),
            from.device(),
            to.bytes()));
  }

  /** What a routine said; what it wrote goes to the blocks that lie elsewhere. */
  void check(int status) {
    Status.check(status);
    for (Block[] pair : writtenBack) {
      move(pair[0], pair[1]);
    }
  }

  private void hold(Block block) {
    if (count == held.length) {
      held = Arrays.copyOf(held, 2 * count);
    }
    block.acquire();
    held[count++] = block;
    if (block.stream() != Block.NO_STREAM) {
      waitFor(block.stream());
    }
  }

  private void waitFor(long stream) {
    for (long known : streams) {
      if (known == stream) {
        return;
      }
    }
    Status.check(merganser.mg_context_wait(context(), new Address(stream)));
    streams = Arrays.copyOf(streams, streams.length + 1);
    streams[streams.length - 1] = stream;
  }

  /** Keeps the blocks beyond this call; the caller releases them. */
  Block[] detach() {
    Block[] kept = Arrays.copyOf(held, count);
    count = 0;
    return kept;
  }

  @Override
  public void close() {
    try {
      for (long stream : streams) {
        Status.check(merganser.mg_context_signal(context(), new Address(stream)));
      }
    } finally {
      while (count > 0) {
        held[--count].release();
      }
      context.leave(handle);
    }
  }
}
