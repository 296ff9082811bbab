// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.io.ShardQueue.Item;
import org.merganser.io.ShardQueue.Part;
import org.merganser.io.ShardedWriter.Digest;

/**
 * Fills shards: threads of its own take parts of tensors, another brings what is written to the
 * disk. Nobody interrupts them, so an interrupted caller disturbs nothing.
 */
final class ShardWork {
  /** Bytes after which those of a file get on their way to the disk. */
  private static final long FLUSH = 128 << 20;

  private final Checkpoint model;
  private final Digest digest;
  private final int threads;
  private final Workspace ws;
  private final ShardQueue queue;
  private final List<ShardFile> files;
  private final ExecutorService disk = Executors.newSingleThreadExecutor(ShardWork::daemon);
  private long total;
  private long done;
  private long unflushed;

  /** That of the earliest part: the same for any number of threads, as a rule. */
  private Throwable failure;

  private long failedAt = Long.MAX_VALUE;

  ShardWork(List<ShardFile> files, Checkpoint model, Digest digest, int threads, Workspace ws) {
    this.files = files;
    this.model = model;
    this.digest = digest;
    // A device is not divided.
    this.threads = ws.device() == Device.HOST ? threads : 1;
    this.ws = ws;
    this.queue = new ShardQueue(items());
  }

  private List<Item> items() {
    List<Item> items = new ArrayList<>();
    for (ShardFile file : files) {
      int pieces = 0;
      for (Map.Entry<String, TensorInfo> item : file.shard().tensors().entrySet()) {
        String name = item.getKey();
        Pieces divided = Pieces.of(item.getValue(), Pieces.BYTES);
        items.add(new Item(file, name, item.getValue(), divided, model.block(name), pieces));
        pieces += divided.count();
        total += item.getValue().bytes();
      }
      file.expect(pieces);
    }
    return items;
  }

  private static Thread daemon(Runnable run) {
    Thread thread = new Thread(run, "merganser-write");
    thread.setDaemon(true);
    return thread;
  }

  /** Everything is on the disk when this returns. */
  void run() throws IOException {
    for (ShardFile file : files) {
      if (file.shard().tensors().isEmpty()) {
        disk.execute(() -> seal(file));
      }
    }
    List<Thread> workers = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      workers.add(daemon(this::work));
      workers.get(i).start();
    }
    boolean interrupted = false;
    for (Thread worker : workers) {
      interrupted |= await(worker::join);
    }
    disk.shutdown();
    interrupted |= await(() -> disk.awaitTermination(Long.MAX_VALUE, TimeUnit.SECONDS));
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    rethrow();
  }

  private interface Waiting {
    void run() throws InterruptedException;
  }

  /** Waits in any case; returns whether the thread was interrupted. */
  private static boolean await(Waiting waiting) {
    boolean interrupted = false;
    while (true) {
      try {
        waiting.run();
        return interrupted;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
  }

  private synchronized void rethrow() throws IOException {
    if (failure instanceof IOException e) {
      throw e;
    }
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    if (failure != null) {
      throw new MerganserException("writing failed: " + failure, failure);
    }
  }

  private void work() {
    try (ShardWorker worker = new ShardWorker(model, digest, ws)) {
      Optional<Part> part;
      while ((part = queue.take()).isPresent()) {
        write(worker, part.get());
      }
    } catch (Throwable e) {
      fail(-1, e);
    }
  }

  private void write(ShardWorker worker, Part part) {
    try {
      worker.write(part);
      queue.done(part);
      account(part);
    } catch (Throwable e) {
      fail(part.number(), e);
    }
  }

  private synchronized void account(Part part) {
    ShardFile file = part.item().file;
    long bytes = part.item().info.dtype().bytes(part.to() - part.from());
    done += bytes;
    unflushed += bytes;
    if (file.done(part.end() - part.first())) {
      disk.execute(() -> seal(file));
      unflushed = 0;
    } else if (unflushed >= FLUSH) {
      disk.execute(() -> flush(file));
      unflushed = 0;
    }
    ws.progress().report("write", done, total);
  }

  private void flush(ShardFile file) {
    try {
      file.flush();
    } catch (IOException | RuntimeException e) {
      fail(Long.MAX_VALUE - 1, e);
    }
  }

  private void seal(ShardFile file) {
    try {
      file.seal(digest == Digest.FULL);
    } catch (IOException | RuntimeException e) {
      fail(Long.MAX_VALUE - 1, e);
    }
  }

  private synchronized void fail(long part, Throwable e) {
    if (part < failedAt) {
      failure = e;
      failedAt = part;
    }
    queue.stop();
  }
}
