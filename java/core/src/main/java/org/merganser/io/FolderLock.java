// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;
import org.merganser.internal.io.Uninterrupted;

/**
 * One writer at a time in a folder, of all processes: others wait. The lock is a file of the
 * system's locks, so it ends with its process; the file itself is removed by whoever holds it last.
 */
final class FolderLock {
  static final String NAME = ".merganser.lock";

  private FolderLock() {}

  /** What is done while no other writer does. */
  interface Action {
    void run() throws IOException;
  }

  static void run(Path folder, Action action) throws IOException {
    Path path = folder.resolve(NAME);
    // A process may lock a file once only.
    synchronized (FolderLock.class) {
      while (true) {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)
            && !Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
          throw new IOException("cannot write " + folder + ": " + path + " is no regular file");
        }
        try (AsynchronousFileChannel channel =
            AsynchronousFileChannel.open(
                path,
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                LinkOption.NOFOLLOW_LINKS)) {
          lock(channel, path);
          if (isStill(path, channel)) {
            try {
              action.run();
            } finally {
              Files.deleteIfExists(path);
            }
            return;
          }
        }
      }
    }
  }

  private static void lock(AsynchronousFileChannel channel, Path path) {
    try {
      // Released when the channel is closed.
      Uninterrupted.get(channel.lock());
    } catch (IOException e) {
      System.getLogger(FolderLock.class.getName())
          .log(System.Logger.Level.DEBUG, "no locks where " + path + " is", e);
    }
  }

  /**
   * Whether the locked file is the one of that name: its last holder may have removed it. Told by a
   * size that is unlikely otherwise; to open the file again and close it would free the lock.
   */
  private static boolean isStill(Path path, AsynchronousFileChannel channel) throws IOException {
    int size = 1 + ThreadLocalRandom.current().nextInt(1 << 16);
    channel.truncate(0);
    Uninterrupted.get(channel.write(ByteBuffer.wrap(new byte[] {0}), size - 1));
    try {
      return Files.size(path) == size;
    } catch (NoSuchFileException e) {
      return false;
    }
  }
}
