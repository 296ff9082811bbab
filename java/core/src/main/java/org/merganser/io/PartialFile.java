// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that appears complete or not at all: written beside its target as {@code NAME.partial},
 * renamed by {@link #commit}, deleted by {@link #close} when it was not committed.
 */
public final class PartialFile implements Closeable {
  private final Path target;
  private final Path partial;
  private final FileChannel channel;
  private boolean committed;

  /**
   * @throws IOException when the folder of {@code target} does not exist or cannot be written
   */
  public PartialFile(Path target) throws IOException {
    this.target = target;
    this.partial = target.resolveSibling(target.getFileName() + ".partial");
    if (Files.isDirectory(target)) {
      throw new IOException("cannot write " + target + ": it is a folder; name a file in it");
    }
    try {
      this.channel =
          FileChannel.open(
              partial,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE);
    } catch (NoSuchFileException e) {
      throw new IOException(
          "cannot write " + target + ": its folder does not exist; create it first", e);
    }
  }

  public void write(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Flushes to the disk and renames. */
  public void commit() throws IOException {
    channel.force(true);
    channel.close();
    Files.move(
        partial, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    committed = true;
  }

  @Override
  public void close() throws IOException {
    channel.close();
    if (!committed) {
      Files.deleteIfExists(partial);
    }
  }
}
