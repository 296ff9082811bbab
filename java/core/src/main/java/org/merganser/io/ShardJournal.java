// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is done of a shard: a line for each piece with its digest, and one at the end when the file
 * is on the disk. A line says what was written, not that it arrived: who goes on compares the bytes
 * with the digest. Lines may be lost or torn with the system, so only the good ones from the start
 * count; the last one is flushed.
 *
 * <p>Its lock is one of the system's, which a process loses when it closes the file anywhere. So a
 * process opens it once: its own journals are known by their place.
 */
final class ShardJournal implements AutoCloseable {
  private static final Pattern PIECE = Pattern.compile("(\\d{1,9}) ([0-9a-f]{8}|[0-9a-f]{64})");
  private static final Pattern END = Pattern.compile("complete ([0-9a-f]{64}|-)");

  /** Journals that this process has open. */
  private static final Map<Path, ShardJournal> OPEN = new HashMap<>();

  private final Path path;
  private final FileChannel channel;
  private final String[] digests;
  private long at;
  private String file = "";

  /**
   * Opens or creates the journal for one writer.
   *
   * @param pieces of all tensors, in the order of the file
   * @throws IOException when another process writes the shard
   */
  ShardJournal(Path path, int pieces) throws IOException {
    this.path = path;
    this.digests = new String[pieces];
    synchronized (OPEN) {
      this.channel =
          open(StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.READ);
      OPEN.put(place(path), this);
    }
    try {
      read(text());
      channel.truncate(at);
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Locked. */
  private FileChannel open(OpenOption... options) throws IOException {
    if (OPEN.containsKey(place(path))) {
      throw inUse("this process writes this shard already");
    }
    FileChannel opened = FileChannel.open(path, options);
    try {
      lock(opened);
      return opened;
    } catch (IOException | RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /** The same for every way to name a journal; its folder exists. */
  private static Path place(Path path) throws IOException {
    return path.toAbsolutePath().getParent().toRealPath().resolve(path.getFileName());
  }

  /** Through the locked channel: to open the file again and close it would free the lock. */
  private String text() throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(channel.size()));
    while (bytes.hasRemaining() && channel.read(bytes, bytes.position()) >= 0) {
      continue;
    }
    return new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1);
  }

  /**
   * Keeps others from writing the shard until the returned journal is closed; what it says does not
   * count.
   *
   * @throws IOException when somebody writes it
   */
  static ShardJournal hold(Path path) throws IOException {
    return new ShardJournal(path);
  }

  private ShardJournal(Path path) throws IOException {
    this.path = path;
    this.digests = new String[0];
    synchronized (OPEN) {
      this.channel = open(StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
      OPEN.put(place(path), this);
    }
  }

  /** Reads it without being its writer. */
  static ShardJournal read(Path path, int pieces) throws IOException {
    synchronized (OPEN) {
      ShardJournal own = OPEN.get(place(path));
      return own == null
          ? new ShardJournal(Files.readString(path, StandardCharsets.ISO_8859_1), path, pieces)
          : new ShardJournal(own.lines(), path, pieces);
    }
  }

  /** What it says so far. */
  private synchronized String lines() {
    StringBuilder text = new StringBuilder();
    for (int piece = 0; piece < digests.length; piece++) {
      if (digests[piece] != null) {
        text.append(piece).append(' ').append(digests[piece]).append('\n');
      }
    }
    return isComplete() ? text + "complete " + file + "\n" : text.toString();
  }

  private ShardJournal(String text, Path path, int pieces) {
    this.path = path;
    this.digests = new String[pieces];
    this.channel = null;
    read(text);
  }

  private void lock(FileChannel opened) throws IOException {
    FileLock lock;
    try {
      lock = opened.tryLock();
    } catch (OverlappingFileLockException e) {
      // By another class loader's copy of this.
      lock = null;
    } catch (IOException e) {
      System.getLogger(ShardJournal.class.getName())
          .log(System.Logger.Level.DEBUG, "no locks where " + path + " is", e);
      return;
    }
    if (lock == null) {
      throw inUse("another process writes this shard");
    }
  }

  private IOException inUse(String by) {
    return new IOException(path + " is in use: " + by + "; wait for it, or stop it");
  }

  private void read(String text) {
    int end;
    for (int from = 0; (end = text.indexOf('\n', from)) >= 0; from = end + 1) {
      String line = text.substring(from, end);
      Matcher piece = PIECE.matcher(line);
      Matcher last = END.matcher(line);
      if (piece.matches() && Integer.parseInt(piece.group(1)) < digests.length) {
        digests[Integer.parseInt(piece.group(1))] = piece.group(2);
      } else if (last.matches()) {
        file = last.group(1);
      } else {
        return;
      }
      at = end + 1L;
    }
  }

  /** Digest of a piece, or null. */
  synchronized String digest(int piece) {
    return digests[piece];
  }

  /** Those of some pieces, all of which were written. */
  synchronized List<String> digests(int from, int to) {
    List<String> some = Arrays.asList(Arrays.copyOfRange(digests, from, to));
    if (some.contains(null)) {
      throw SafetensorsHeader.bad(path, "piece " + (from + some.indexOf(null)) + " is missing");
    }
    return some;
  }

  synchronized void add(int piece, String digest) throws IOException {
    if (!digest.equals(digests[piece])) {
      digests[piece] = digest;
      append(piece + " " + digest + "\n");
    }
  }

  /**
   * The file is on the disk.
   *
   * @param sha256 of the file, or empty
   */
  synchronized void complete(String sha256) throws IOException {
    file = sha256.isEmpty() ? "-" : sha256;
    append("complete " + file + "\n");
    channel.force(true);
  }

  synchronized boolean isComplete() {
    return !file.isEmpty();
  }

  /** SHA-256 of the file, or empty. */
  synchronized String file() {
    return file.equals("-") ? "" : file;
  }

  private void append(String line) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.ISO_8859_1));
    while (bytes.hasRemaining()) {
      at += channel.write(bytes, at);
    }
  }

  @Override
  public void close() throws IOException {
    if (channel != null) {
      synchronized (OPEN) {
        OPEN.values().remove(this);
        channel.close();
      }
    }
  }
}
