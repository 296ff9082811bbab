// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.Arrays;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.mg_context;

/**
 * One call of a native routine. It holds the context, which no other call enters meanwhile, and all
 * blocks whose addresses it gave: what a routine works on stays until {@link #close}, whoever
 * closes it. There is no other way from a {@link Block} to a routine.
 */
final class Call implements AutoCloseable {
  private final Context context;
  private final Handle handle;
  private Block[] held = new Block[4];
  private int count;

  /** Made by {@link Context#enter}. */
  Call(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  mg_context context() {
    return context.pointer();
  }

  /** NULL for null. */
  Pointer pointer(Block block) {
    return new Address(hold(block));
  }

  DoublePointer doubles(Block block) {
    return Address.doubles(hold(block));
  }

  FloatPointer floats(Block block) {
    return Address.floats(hold(block));
  }

  /** An array of addresses, which the caller closes. */
  PointerPointer<Pointer> pointers(Block... blocks) {
    PointerPointer<Pointer> pointers =
        JavaCppLimit.explain(() -> new PointerPointer<>(blocks.length));
    try {
      for (int i = 0; i < blocks.length; i++) {
        pointers.put(i, pointer(blocks[i]));
      }
    } catch (RuntimeException | Error e) {
      pointers.close();
      throw e;
    }
    return pointers;
  }

  /** Fills an array of addresses that is used again and again. */
  void put(Block[] blocks, LongPointer into) {
    for (int i = 0; i < blocks.length; i++) {
      into.put(i, hold(blocks[i]));
    }
  }

  private long hold(Block block) {
    if (block == null) {
      return 0;
    }
    if (count == held.length) {
      held = Arrays.copyOf(held, 2 * count);
    }
    block.acquire();
    held[count++] = block;
    return block.pinned();
  }

  /** Keeps the blocks beyond this call; the caller releases them. */
  Block[] detach() {
    Block[] kept = Arrays.copyOf(held, count);
    count = 0;
    return kept;
  }

  @Override
  public void close() {
    while (count > 0) {
      held[--count].release();
    }
    context.leave(handle);
  }
}
