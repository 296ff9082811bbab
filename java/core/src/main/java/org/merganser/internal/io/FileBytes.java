// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.Future;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;

/**
 * A file read by position; concurrent reads are allowed.
 *
 * <p>A {@code FileChannel} is closed for everybody when one of its readers is interrupted, and
 * opening the path again may find another file. So the reads are those of an asynchronous channel:
 * an interrupted reader gets what it asked for and stays interrupted, the others notice nothing.
 */
public final class FileBytes implements AutoCloseable {
  private static final int CHUNK = 1 << 26;

  private final Path path;
  private final AsynchronousFileChannel channel;
  private final long size;

  public FileBytes(Path path) throws IOException {
    this.path = path;
    if (Files.isDirectory(path)) {
      throw new IOException("cannot read " + path + ": it is a folder, not a file");
    }
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw new IOException(
          "cannot read "
              + path
              + ": it is a pipe or device, and files are read by position; write it to a file"
              + " first");
    }
    try {
      this.channel = AsynchronousFileChannel.open(path, StandardOpenOption.READ);
    } catch (NoSuchFileException e) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    this.size = channel.size();
  }

  public Path path() {
    return path;
  }

  /** Size when the file was opened. */
  public long size() {
    return size;
  }

  /** Reads a few bytes onto the heap. */
  public ByteBuffer read(long position, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    fill(position, buffer);
    return buffer.flip();
  }

  /** Fills {@code into} from {@code position} on. */
  public void read(long position, Memory into) throws IOException {
    if (!channel.isOpen()) {
      throw closed(null);
    }
    for (long done = 0; done < into.bytes(); ) {
      int length = (int) Math.min(into.bytes() - done, CHUNK);
      try (Block.View view = Block.view(into, done, length)) {
        fill(position + done, view.buffer());
      }
      done += length;
    }
  }

  private void fill(long position, ByteBuffer buffer) throws IOException {
    long at = position;
    while (buffer.hasRemaining()) {
      int count = await(channel.read(buffer, at));
      if (count < 0) {
        throw new EOFException(
            path
                + " ends at byte "
                + channel.size()
                + ", "
                + buffer.remaining()
                + " more were expected there; it had "
                + size
                + " when it was opened");
      }
      at += count;
    }
  }

  private int await(Future<Integer> read) throws IOException {
    try {
      return Uninterrupted.get(read);
    } catch (ClosedChannelException e) {
      throw closed(e);
    } catch (IOException e) {
      throw new IOException("cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private IllegalStateException closed(Exception cause) {
    return new IllegalStateException(path + " is already closed", cause);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // Nothing was written, so nothing can be lost by failing to close.
      System.getLogger(FileBytes.class.getName())
          .log(System.Logger.Level.DEBUG, "closing " + path, e);
    }
  }
}
