// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.merganser.compute.Memory;

/** A file read by position; concurrent reads are allowed. */
final class FileBytes implements AutoCloseable {
  private static final int CHUNK = 1 << 26;

  private final Path path;
  private final FileChannel channel;
  private final long size;

  FileBytes(Path path) throws IOException {
    this.path = path;
    if (Files.isDirectory(path)) {
      throw new IOException("cannot read " + path + ": it is a folder, not a file");
    }
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw new IOException(
          "cannot read "
              + path
              + ": it is no regular file, which is read by position; copy it first");
    }
    try {
      this.channel = FileChannel.open(path, StandardOpenOption.READ);
    } catch (NoSuchFileException e) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    this.size = channel.size();
  }

  Path path() {
    return path;
  }

  /** Size when the file was opened. */
  long size() {
    return size;
  }

  /** Reads a few bytes onto the heap. */
  ByteBuffer read(long position, int length) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    fill(position, buffer);
    return buffer.flip();
  }

  /** Fills {@code into} from {@code position} on. */
  void read(long position, Memory into) throws IOException {
    for (long done = 0; done < into.bytes(); ) {
      int length = (int) Math.min(into.bytes() - done, CHUNK);
      fill(position + done, into.buffer(done, length));
      done += length;
    }
    Memory.keepAlive(into);
  }

  private void fill(long position, ByteBuffer buffer) throws IOException {
    if (!channel.isOpen()) {
      throw new IllegalStateException(path + " is already closed");
    }
    long at = position;
    while (buffer.hasRemaining()) {
      int count = channel.read(buffer, at);
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
