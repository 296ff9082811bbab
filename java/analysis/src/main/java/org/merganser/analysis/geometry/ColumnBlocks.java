// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.MerganserException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * All columns of samples, some at a time: while one block is worked on, a thread of its own reads
 * the next one. Two blocks are held.
 */
final class ColumnBlocks implements AutoCloseable {
  /** Bytes of a block. */
  private static final long BLOCK = 16L << 20;

  /** Columns of a block are a multiple of this. */
  private static final long UNIT = 64;

  private final SampleRows rows;
  private final int[] order;
  private final long step;
  private final Workspace ws;
  private final Tensor[] buffers = new Tensor[2];
  private final ExecutorService reader =
      Executors.newSingleThreadExecutor(
          work -> {
            Thread thread = new Thread(work, "merganser-columns");
            thread.setDaemon(true);
            return thread;
          });

  /** What is done with a block. */
  @FunctionalInterface
  interface Use {
    /**
     * @param block [N x columns] on the host, of the type of the samples; there for this call only
     * @param from its first column
     */
    void of(Matrix block, long from) throws IOException;
  }

  private ColumnBlocks(SampleRows rows, int[] order, Workspace ws) {
    this.rows = rows;
    this.order = order;
    this.ws = ws;
    long most = BLOCK / rows.dtype().bytes(rows.samples()) / UNIT * UNIT;
    step = Math.min(rows.width(), Math.max(UNIT, most));
    for (int k = 0; k < buffers.length; k++) {
      buffers[k] = Tensor.allocate(rows.dtype(), rows.samples() * step);
    }
  }

  /**
   * @param order of the samples in every block
   * @param what is done, for who shows progress
   */
  static void each(SampleRows rows, SampleOrder order, String what, Workspace ws, Use use)
      throws IOException {
    try (ColumnBlocks blocks = new ColumnBlocks(rows, order.order(), ws)) {
      blocks.run(what, use);
    }
  }

  private void run(String what, Use use) throws IOException {
    long width = rows.width();
    Future<Matrix> next = reader.submit(read(0));
    for (long from = 0; from < width; from += step) {
      ws.cancellation().check();
      try (Matrix block = result(next)) {
        if (from + step < width) {
          next = reader.submit(read(from + step));
        }
        use.of(block, from);
      }
      ws.progress().report(what, Math.min(width, from + step), width);
    }
  }

  private Callable<Matrix> read(long from) {
    return () -> {
      long columns = Math.min(step, rows.width() - from);
      Tensor buffer = buffers[(int) (from / step % buffers.length)];
      try (Opened opened = new Opened()) {
        Tensor part = buffer.rows(0, rows.samples() * columns);
        Matrix block = opened.add(Matrix.of(part.reshape(rows.samples(), columns)));
        for (int k = 0; k < order.length; k++) {
          try (Tensor row = part.rows(k * columns, (k + 1) * columns)) {
            rows.read(order[k], from, from + columns, row, ws);
          }
        }
        opened.release();
        return block;
      }
    };
  }

  private static Matrix result(Future<Matrix> block) throws IOException {
    try {
      return block.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException cause) {
        throw cause;
      }
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new MerganserException("samples cannot be read: " + e.getCause(), e.getCause());
    }
  }

  /** A read that is going on ends before its buffer is freed. */
  @Override
  public void close() {
    reader.shutdown();
    boolean interrupted = false;
    while (!reader.isTerminated()) {
      try {
        reader.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    for (Tensor buffer : buffers) {
      buffer.close();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
