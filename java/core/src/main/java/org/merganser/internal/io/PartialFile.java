// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.merganser.internal.Names;

/**
 * A file that appears complete or not at all: written beside its target as {@code NAME.RANDOM
 * .partial}, a name of its own that nothing had before, renamed by {@link #commit}, deleted by
 * {@link #close} when it was not committed. Of several writers of one target the last to commit
 * wins, with a whole file. Interrupting the writer does not disturb it.
 *
 * <p>A file that is replaced hands its permissions on. A target that is a symbolic link is replaced
 * itself; what it points to stays as it is.
 */
public final class PartialFile implements Closeable {
  /** Bytes of a name on common file systems. */
  private static final int LONGEST = 255;

  /** That leave room for what makes a name unique. */
  private static final int LONGEST_NAME = 220;

  private final Path target;
  private final long expected;
  private final Path partial;
  private final AsynchronousFileChannel channel;
  private long written;
  private boolean kept;

  /**
   * @throws IOException when the folder of {@code target} does not exist or cannot be written
   */
  public PartialFile(Path target) throws IOException {
    this(target, 0);
  }

  /**
   * @param expected bytes that will be written, 0 when unknown; checked against the free space
   * @throws IOException when the folder of {@code target} does not exist, cannot be written or has
   *     too little room
   */
  public PartialFile(Path target, long expected) throws IOException {
    this.target = target;
    this.expected = expected;
    requirePlace(target, expected);
    String name = String.valueOf(target.getFileName());
    if (name.getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME) {
      name = "merganser";
    }
    String random = UUID.randomUUID().toString().replace("-", "").substring(0, 16);
    this.partial = target.resolveSibling(name + "." + random + ".partial");
    this.channel = create();
    keepPermissions();
  }

  private AsynchronousFileChannel create() throws IOException {
    try {
      // Never an existing file, and never through a link.
      return AsynchronousFileChannel.open(
          partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    } catch (AccessDeniedException e) {
      throw new IOException("cannot write " + target + ": access to its folder is denied", e);
    } catch (FileAlreadyExistsException e) {
      throw e;
    } catch (FileSystemException e) {
      throw new IOException("cannot write " + target + ": " + e.getReason(), e);
    }
  }

  /** From the start, so that a private file is not readable by others while it is replaced. */
  private void keepPermissions() throws IOException {
    if (Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)) {
      try {
        Files.setPosixFilePermissions(partial, Files.getPosixFilePermissions(target));
      } catch (UnsupportedOperationException | FileSystemException e) {
        System.getLogger(PartialFile.class.getName())
            .log(System.Logger.Level.DEBUG, "permissions of " + target + " cannot be kept", e);
      }
    }
  }

  /**
   * Throws when {@code target} cannot be written, for work that must not end on that: it is no
   * file, its folder is not there or read-only, or has no room for {@code bytes}, or its name is
   * too long.
   */
  public static void requirePlace(Path target, long bytes) throws IOException {
    Path folder = folder(target);
    refuse(target, Files.isDirectory(target), "it is a folder; name a file in it");
    refuse(target, Files.exists(target) && !Files.isRegularFile(target), "it is no regular file");
    refuse(target, !Files.exists(folder), "its folder does not exist; create it first");
    refuse(target, !Files.isDirectory(folder), folder + " is a file, not a folder");
    refuse(
        target,
        !Files.isWritable(folder),
        "nothing can be written to " + folder + "; choose another folder");
    requireSpace(target, bytes);
  }

  private static void refuse(Path target, boolean wrong, String reason) throws IOException {
    if (wrong) {
      throw new IOException("cannot write " + target + ": " + reason);
    }
  }

  /**
   * Throws when a file of that many bytes has no room beside {@code target}, naming both figures,
   * or when the name is too long.
   */
  public static void requireSpace(Path target, long bytes) throws IOException {
    String name = String.valueOf(target.getFileName());
    int length = name.getBytes(StandardCharsets.UTF_8).length;
    if (length > LONGEST) {
      throw new IOException(
          "cannot write "
              + Names.cut(target.toString())
              + ": its name has "
              + length
              + " bytes, file systems take "
              + LONGEST);
    }
    long free = free(target);
    if (bytes > free) {
      throw new IOException(
          "cannot write "
              + target
              + ": it needs "
              + bytes
              + " bytes, "
              + folder(target)
              + " has "
              + free
              + " free; free some space or choose another folder");
    }
  }

  private static Path folder(Path target) {
    Path parent = target.getParent();
    return parent == null ? Path.of(".") : parent;
  }

  /** Usable bytes where {@code target} lies; without a limit when the file system does not say. */
  private static long free(Path target) {
    try {
      FileStore store = Files.getFileStore(folder(target));
      long usable = store.getUsableSpace();
      return store.getTotalSpace() == 0 || usable < 0 ? Long.MAX_VALUE : usable;
    } catch (IOException | SecurityException e) {
      return Long.MAX_VALUE;
    }
  }

  /** Writes after what was written. An interrupted thread writes on and stays interrupted. */
  public void write(ByteBuffer bytes) throws IOException {
    try {
      while (bytes.hasRemaining()) {
        written += Uninterrupted.get(channel.write(bytes, written));
      }
    } catch (ClosedChannelException e) {
      throw new IllegalStateException(target + " is already closed", e);
    } catch (IOException e) {
      throw failed(e);
    }
  }

  /** Such as a full disk, whose own message names neither the file nor a figure. */
  private IOException failed(IOException e) {
    return new IOException(
        "cannot write "
            + target
            + ": "
            + e.getMessage()
            + " after "
            + written
            + (expected > 0 ? " of " + expected : "")
            + " bytes"
            + room(target),
        e);
  }

  /** Words about the free space where {@code target} lies; none when it is not known. */
  public static String room(Path target) {
    long free = free(target);
    return free == Long.MAX_VALUE ? "" : "; " + folder(target) + " has " + free + " free";
  }

  /** Everything written is on the disk, still under the name of its own. */
  public void complete() throws IOException {
    if (channel.isOpen()) {
      try {
        channel.force(true);
        channel.close();
      } catch (IOException e) {
        throw failed(e);
      }
    }
  }

  /** Flushes to the disk and renames, replacing the target. */
  public void commit() throws IOException {
    complete();
    Steps.done();
    Files.move(
        partial, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    syncFolder(target);
  }

  /** The name of its own. */
  public String name() {
    return partial.getFileName().toString();
  }

  /** Whether {@link #close} leaves the file that was not committed. */
  public void keep(boolean value) {
    kept = value;
  }

  /** A rename is on the disk only when its folder is; where folders cannot be opened, it is. */
  public static void syncFolder(Path file) {
    try (AsynchronousFileChannel folder =
        AsynchronousFileChannel.open(folder(file), StandardOpenOption.READ)) {
      folder.force(true);
    } catch (IOException e) {
      System.getLogger(PartialFile.class.getName())
          .log(System.Logger.Level.DEBUG, "cannot flush the folder of " + file, e);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
    // After a commit there is nothing of this name; otherwise it is ours.
    if (!kept) {
      Files.deleteIfExists(partial);
    }
  }
}
