// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicInteger;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.io.Steps;

/**
 * One shard while it is written, by threads that nobody interrupts: {@code NAME.partial}, at any
 * place in any order, until every part is there; then it is flushed, its journal says so, and it
 * gets its name.
 */
final class ShardFile implements AutoCloseable {
  static final String PARTIAL = ".partial";

  private final Path target;
  private final ShardPlan.Shard shard;
  private final ShardJournal journal;
  private final FileChannel channel;
  private final AtomicInteger open;

  /**
   * @param tensors how many must be done until it is complete
   */
  ShardFile(Path target, ShardPlan.Shard shard, ByteBuffer header, ShardJournal journal)
      throws IOException {
    this.target = target;
    this.shard = shard;
    this.journal = journal;
    this.open = new AtomicInteger();
    Path partial = partial(target);
    if (Files.exists(partial, LinkOption.NOFOLLOW_LINKS)
        && !Files.isRegularFile(partial, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("cannot write " + partial + ": it is no regular file; remove it");
    }
    this.channel =
        FileChannel.open(
            partial,
            StandardOpenOption.CREATE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            LinkOption.NOFOLLOW_LINKS);
    try {
      Steps.done();
      write(header, 0);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  static Path partial(Path target) {
    return target.resolveSibling(target.getFileName() + PARTIAL);
  }

  ShardPlan.Shard shard() {
    return shard;
  }

  ShardJournal journal() {
    return journal;
  }

  /** How many parts are to come before the file is complete. */
  void expect(int parts) {
    open.set(parts);
  }

  /** Returns whether that was the last. */
  boolean done(int parts) {
    return open.addAndGet(-parts) == 0;
  }

  void write(ByteBuffer bytes, long position) throws IOException {
    long at = position;
    try {
      while (bytes.hasRemaining()) {
        at += channel.write(bytes, at);
      }
    } catch (IOException e) {
      throw new IOException(
          "cannot write "
              + target
              + ": "
              + e.getMessage()
              + " at byte "
              + at
              + " of "
              + shard.bytes()
              + PartialFile.room(target),
          e);
    }
  }

  /** Returns whether so many bytes were there. */
  boolean read(ByteBuffer into, long position) throws IOException {
    long at = position;
    while (into.hasRemaining()) {
      int read = channel.read(into, at);
      if (read < 0) {
        return false;
      }
      at += read;
    }
    return true;
  }

  /** What has been written so far gets on its way to the disk. */
  void flush() throws IOException {
    channel.force(false);
  }

  /** Gives the complete file its name. */
  void seal(boolean digest) throws IOException {
    Steps.done();
    channel.force(true);
    journal.complete(digest ? Digests.sha256(partial(target)) : "");
    Steps.done();
    channel.close();
    rename(target);
  }

  static void rename(Path target) throws IOException {
    Files.move(partial(target), target, StandardCopyOption.ATOMIC_MOVE);
    Steps.done();
    PartialFile.syncFolder(target);
  }

  @Override
  public void close() throws IOException {
    channel.close();
    journal.close();
  }
}
