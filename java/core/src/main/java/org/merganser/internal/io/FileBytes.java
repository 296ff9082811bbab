// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.concurrent.Future;
import org.merganser.compute.Memory;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Sha256;

/**
 * A file read by position; concurrent reads are allowed.
 *
 * <p>A {@code FileChannel} is closed for everybody when one of its readers is interrupted, and
 * opening the path again may find another file. So an asynchronous channel of the same file stands
 * beside it, whose reads are done by other threads, for some 10 microseconds more: it takes over
 * when a reader is interrupted. That one gets what it asked for and stays interrupted, the others
 * notice nothing.
 */
public final class FileBytes implements AutoCloseable {
  private static final int CHUNK = 1 << 26;

  /** Bytes that are digested at once. */
  private static final int DIGESTED = 1 << 20;

  private final Path path;

  /** Two of one file. */
  private record Channels(FileChannel direct, AsynchronousFileChannel uninterruptible) {}

  private final Channels channels;
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
      this.channels = open(path);
    } catch (NoSuchFileException e) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    this.size = channels.uninterruptible().size();
  }

  private static Channels open(Path path) throws IOException {
    while (true) {
      try (Opened opened = new Opened()) {
        Object before = identity(path);
        Channels channels =
            new Channels(
                opened.add(FileChannel.open(path, StandardOpenOption.READ)),
                opened.add(AsynchronousFileChannel.open(path, StandardOpenOption.READ)));
        // Another file may have taken the name between the two.
        if (Objects.equals(before, identity(path))) {
          opened.release();
          return channels;
        }
      }
    }
  }

  private static Object identity(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
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
    if (!channels.uninterruptible().isOpen()) {
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

  /** SHA-256 of all bytes in hexadecimal digits, as {@code sha256sum} prints it. */
  public String sha256() throws IOException {
    Sha256 sha = new Sha256();
    try (Memory chunk = Memory.allocate(Math.min(size, DIGESTED))) {
      for (long at = 0; ; at += DIGESTED) {
        int length = (int) Math.min(DIGESTED, size - at);
        try (Block.View view = Block.view(chunk, 0, length)) {
          fill(at, view.buffer());
          view.buffer().flip();
          if (at + length == size) {
            return sha.end(view.buffer());
          }
          sha.add(view.buffer());
        }
      }
    }
  }

  private void fill(long position, ByteBuffer buffer) throws IOException {
    long origin = position - buffer.position();
    while (buffer.hasRemaining()) {
      if (read(origin + buffer.position(), buffer) < 0) {
        throw new EOFException(
            path
                + " ends at byte "
                + channels.uninterruptible().size()
                + ", "
                + buffer.remaining()
                + " more were expected there; it had "
                + size
                + " when it was opened");
      }
    }
  }

  private int read(long position, ByteBuffer buffer) throws IOException {
    if (channels.direct().isOpen() && !Thread.currentThread().isInterrupted()) {
      try {
        return channels.direct().read(buffer, position);
      } catch (ClosedChannelException e) {
        // By an interruption of whoever, or by close(), which the other channel will say.
        return 0;
      } catch (IOException e) {
        throw failed(e);
      }
    }
    return await(channels.uninterruptible().read(buffer, position));
  }

  private int await(Future<Integer> read) throws IOException {
    try {
      return Uninterrupted.get(read);
    } catch (ClosedChannelException e) {
      throw closed(e);
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private IOException failed(IOException cause) {
    return new IOException("cannot read " + path + ": " + cause.getMessage(), cause);
  }

  private IllegalStateException closed(Exception cause) {
    return new IllegalStateException(path + " is already closed", cause);
  }

  @Override
  public void close() {
    try {
      channels.direct().close();
      channels.uninterruptible().close();
    } catch (IOException e) {
      // Nothing was written, so nothing can be lost by failing to close.
      System.getLogger(FileBytes.class.getName())
          .log(System.Logger.Level.DEBUG, "closing " + path, e);
    }
  }
}
