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
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is done of a shard: a line for each piece with its digest, and one at the end when the file
 * is on the disk. A line says what was written, not that it arrived: who goes on compares the bytes
 * with the digest. Lines may be lost or torn with the system, so only the good ones from the start
 * count; the last one is flushed.
 */
final class ShardJournal implements AutoCloseable {
  private static final Pattern PIECE = Pattern.compile("(\\d{1,9}) ([0-9a-f]{8}|[0-9a-f]{64})");
  private static final Pattern END = Pattern.compile("complete ([0-9a-f]{64}|-)");

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
    this.channel =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.READ);
    try {
      lock();
      read(text());
      channel.truncate(at);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
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
    FileChannel channel =
        FileChannel.open(path, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
    try {
      ShardJournal journal = new ShardJournal(path, channel);
      journal.lock();
      return journal;
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private ShardJournal(Path path, FileChannel channel) {
    this.path = path;
    this.digests = new String[0];
    this.channel = channel;
  }

  /** Reads it without being its writer, in a process that is not its writer either. */
  static ShardJournal read(Path path, int pieces) throws IOException {
    return new ShardJournal(Files.readString(path, StandardCharsets.ISO_8859_1), path, pieces);
  }

  private ShardJournal(String text, Path path, int pieces) {
    this.path = path;
    this.digests = new String[pieces];
    this.channel = null;
    read(text);
  }

  private void lock() throws IOException {
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    } catch (IOException e) {
      System.getLogger(ShardJournal.class.getName())
          .log(System.Logger.Level.DEBUG, "no locks where " + path + " is", e);
      return;
    }
    if (lock == null) {
      throw new IOException(
          path + " is in use: another process writes this shard; wait for it, or stop it");
    }
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
      channel.close();
    }
  }
}
