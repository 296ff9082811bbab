// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/**
 * Work in the order of the files, for several threads: whole pieces and whole blocks of one tensor
 * at a time. The first part of a tensor is done before others begin with it, since it is then that
 * a view goes through the whole tensor for what its function depends on; they take the next tensor
 * meanwhile.
 */
final class ShardQueue {
  /** Pieces {@code first} (included) to {@code end} (excluded) of a tensor. */
  record Part(Item item, int first, int end, long number) {
    long from() {
      return item.pieces.begin(first);
    }

    long to() {
      return item.pieces.end(end - 1);
    }
  }

  /** A tensor to write. */
  static final class Item {
    final ShardFile file;
    final String name;
    final TensorInfo info;
    final Pieces pieces;
    final long block;

    /** Number of its first piece in its file. */
    final int firstPiece;

    private int next;
    private boolean open;

    Item(ShardFile file, String name, TensorInfo info, Pieces pieces, long block, int firstPiece) {
      this.file = file;
      this.name = name;
      this.info = info;
      this.pieces = pieces;
      this.block = block;
      this.firstPiece = firstPiece;
    }

    private boolean isTaken() {
      return next == pieces.count();
    }
  }

  private final Deque<Item> waiting;
  private final List<Item> begun = new ArrayList<>();
  private boolean stopped;
  private long taken;

  ShardQueue(List<Item> items) {
    this.waiting = new ArrayDeque<>(items);
  }

  /** The next part, when there is one; waits for one that may come. */
  synchronized Optional<Part> take() {
    boolean interrupted = false;
    try {
      while (!stopped) {
        begun.removeIf(Item::isTaken);
        for (Item item : begun) {
          if (item.open) {
            return Optional.of(next(item));
          }
        }
        if (!waiting.isEmpty()) {
          Item item = waiting.remove();
          begun.add(item);
          return Optional.of(next(item));
        }
        if (begun.isEmpty()) {
          break;
        }
        try {
          wait();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      return Optional.empty();
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private Part next(Item item) {
    int first = item.next;
    item.next = item.pieces.upTo(first, item.block);
    return new Part(item, first, item.next, taken++);
  }

  /** A part is done: others may go on with its tensor. */
  synchronized void done(Part part) {
    if (!part.item().open) {
      part.item().open = true;
      notifyAll();
    }
  }

  /** Gives out nothing any more. */
  synchronized void stop() {
    stopped = true;
    notifyAll();
  }
}
