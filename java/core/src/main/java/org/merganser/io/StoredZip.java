// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.zip.CRC32;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;

/**
 * The table of contents of a zip file whose entries are read where they lie, without trusting it:
 * everything is checked against the file before anything is allocated for it (APPNOTE 6.3, 4.3).
 * Entries may be compressed, but then they are not read.
 *
 * @param entries by name, in order
 * @param starts where entries and the table begin
 */
record StoredZip(FileBytes file, Map<String, Entry> entries, NavigableSet<Long> starts) {
  private static final int LOCAL = 0x04034b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;
  private static final int DESCRIPTOR = 0x08074b50;
  private static final int END_BYTES = 22;
  private static final int CENTRAL_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final int LOCATOR64_BYTES = 20;
  private static final int END64_BYTES = 56;

  /** Some 200 thousand entries. */
  private static final long MAX_TABLE = 1 << 24;

  /** An entry as the table describes it; {@code at} is its local header. */
  record Entry(String name, int flags, int method, int crc, long stored, long size, long at) {}

  /** Where the table lies. */
  private record Table(long begin, long bytes, long count) {}

  static StoredZip read(FileBytes file) throws IOException {
    Table table = table(file);
    if (table.bytes > MAX_TABLE) {
      throw bad(
          file,
          table.begin,
          "a table of contents of " + table.bytes + " bytes, at most " + MAX_TABLE);
    }
    ByteBuffer in = file.read(table.begin, (int) table.bytes);
    Map<String, Entry> entries = new LinkedHashMap<>();
    for (long i = 0; i < table.count; i++) {
      long at = table.begin + in.position();
      Entry entry = entry(file, at, in);
      if (entry.at > table.begin - LOCAL_BYTES
          || entry.stored > table.begin - LOCAL_BYTES - entry.at) {
        throw bad(file, at, "entry " + Names.quote(entry.name) + " lies beyond the entries");
      }
      if (entries.put(entry.name, entry) != null) {
        throw bad(file, at, "entry " + Names.quote(entry.name) + " is there twice");
      }
    }
    if (in.hasRemaining()) {
      throw bad(
          file, table.begin + in.position(), "bytes after the last entry of the table of contents");
    }
    NavigableSet<Long> starts = new TreeSet<>(List.of(table.begin));
    entries.values().forEach(entry -> starts.add(entry.at));
    return new StoredZip(file, Collections.unmodifiableMap(entries), starts);
  }

  private static Table table(FileBytes file) throws IOException {
    int length = (int) Math.min(file.size(), END_BYTES + 0xffff);
    long start = file.size() - length;
    ByteBuffer tail = file.read(start, length);
    int end = length - END_BYTES;
    while (end >= 0
        && !(tail.getInt(end) == END && unsigned(tail, end + 20) == length - end - END_BYTES)) {
      end--;
    }
    if (end < 0) {
      throw bad(file, file.size(), "no end of a zip file; the file is truncated");
    }
    long at = start + end;
    if (tail.getShort(end + 4) != 0 && unsigned(tail, end + 4) != 0xffff) {
      throw bad(file, at, "a zip file in several parts");
    }
    Table table =
        new Table(
            unsignedInt(tail, end + 16), unsignedInt(tail, end + 12), unsigned(tail, end + 10));
    long limit = at;
    if (at >= LOCATOR64_BYTES) {
      ByteBuffer locator = file.read(at - LOCATOR64_BYTES, LOCATOR64_BYTES);
      if (locator.getInt(0) == LOCATOR64) {
        limit = locator.getLong(8);
        table = table64(file, limit, at - LOCATOR64_BYTES);
      }
    }
    boolean inside =
        table.begin >= 0
            && table.bytes >= 0
            && table.begin <= limit
            && table.bytes == limit - table.begin;
    if (!inside || table.count < 0 || table.count > table.bytes / CENTRAL_BYTES) {
      throw bad(
          file,
          at,
          "a table of contents of "
              + table.count
              + " entries in bytes "
              + table.begin
              + " + "
              + table.bytes
              + ", which does not end at byte "
              + limit);
    }
    return table;
  }

  private static Table table64(FileBytes file, long at, long limit) throws IOException {
    if (at < 0 || at > limit - END64_BYTES) {
      throw bad(file, limit, "the end of a 64-bit zip file is said to be at byte " + at);
    }
    ByteBuffer end = file.read(at, END64_BYTES);
    if (end.getInt(0) != END64) {
      throw bad(file, at, "no end of a 64-bit zip file");
    }
    return new Table(end.getLong(48), end.getLong(40), end.getLong(32));
  }

  private static Entry entry(FileBytes file, long at, ByteBuffer in) {
    if (in.remaining() < CENTRAL_BYTES || in.getInt(in.position()) != CENTRAL) {
      throw bad(file, at, "no entry of the table of contents");
    }
    int p = in.position();
    int name = unsigned(in, p + 28);
    int extra = unsigned(in, p + 30);
    int comment = unsigned(in, p + 32);
    if (in.remaining() - CENTRAL_BYTES < name + extra + comment) {
      throw bad(file, at, "an entry longer than the table of contents");
    }
    byte[] text = new byte[name];
    in.get(p + CENTRAL_BYTES, text);
    long[] sizes = {unsignedInt(in, p + 24), unsignedInt(in, p + 20), unsignedInt(in, p + 42)};
    wide(in.slice(p + CENTRAL_BYTES + name, extra).order(ByteOrder.LITTLE_ENDIAN), sizes);
    in.position(p + CENTRAL_BYTES + name + extra + comment);
    for (long size : sizes) {
      if (size < 0) {
        throw bad(file, at, "an entry with a size or place of " + Long.toUnsignedString(size));
      }
    }
    return new Entry(
        new String(text, StandardCharsets.UTF_8),
        unsigned(in, p + 8),
        unsigned(in, p + 10),
        in.getInt(p + 16),
        sizes[1],
        sizes[0],
        sizes[2]);
  }

  /** Takes what does not fit 32 bits from the extra field 1, in its order. */
  private static void wide(ByteBuffer extra, long[] sizes) {
    while (extra.remaining() >= 4) {
      int id = Short.toUnsignedInt(extra.getShort());
      int length = Math.min(Short.toUnsignedInt(extra.getShort()), extra.remaining());
      int next = extra.position() + length;
      for (int i = 0; id == 1 && i < sizes.length; i++) {
        if (sizes[i] == 0xffffffffL && next - extra.position() >= 8) {
          sizes[i] = extra.getLong();
        }
      }
      extra.position(next);
    }
  }

  /** First byte of an entry in the file. */
  long begin(Entry entry) throws IOException {
    String what = "entry " + Names.quote(entry.name);
    if (entry.method != 0 || entry.stored != entry.size || (entry.flags & 1) != 0) {
      throw bad(
          file,
          entry.at,
          what
              + " is compressed or encrypted, which torch.save does not do and which cannot be read by"
              + " position; unpack it and pack it again uncompressed (zip -0 -r)");
    }
    ByteBuffer head = file.read(entry.at, LOCAL_BYTES);
    int name = unsigned(head, 26);
    byte[] expected = entry.name.getBytes(StandardCharsets.UTF_8);
    long begin = entry.at + LOCAL_BYTES + name + unsigned(head, 28);
    if (head.getInt(0) != LOCAL
        || name != expected.length
        || begin > file.size() - entry.size
        || !ByteBuffer.wrap(expected).equals(file.read(entry.at + LOCAL_BYTES, name))
        || !endsWell(entry, begin)) {
      throw bad(file, entry.at, what + " is not there, where the table of contents says");
    }
    return begin;
  }

  /**
   * Whether an entry that begins here ends where it must: before the next, or with a repetition of
   * its check sum, so that a damaged length before it cannot shift it.
   */
  private boolean endsWell(Entry entry, long begin) throws IOException {
    long end = begin + entry.size;
    long next = starts.higher(entry.at);
    if ((entry.flags & 8) == 0) {
      return end == next;
    }
    if (end > next - 8) {
      return false;
    }
    ByteBuffer descriptor = file.read(end, 8);
    return descriptor.getInt(0) == DESCRIPTOR && descriptor.getInt(4) == entry.crc;
  }

  /** A whole entry, with its check sum where it has one (torch may leave it out: 0). */
  ByteBuffer bytes(Entry entry, long most) throws IOException {
    long begin = begin(entry);
    if (entry.size > most) {
      throw bad(
          file,
          begin,
          "entry " + Names.quote(entry.name) + " has " + entry.size + " bytes, at most " + most);
    }
    ByteBuffer bytes = file.read(begin, (int) entry.size);
    CRC32 crc = new CRC32();
    crc.update(bytes.duplicate());
    if (entry.crc != 0 && (int) crc.getValue() != entry.crc) {
      throw bad(
          file,
          begin,
          "entry "
              + Names.quote(entry.name)
              + " has the check sum %08x, the file says %08x; the file is damaged"
                  .formatted(crc.getValue(), entry.crc));
    }
    return bytes;
  }

  static FormatException bad(FileBytes file, long at, String message) {
    return new FormatException(file.path() + ": " + message + ", at byte " + at);
  }

  private static int unsigned(ByteBuffer in, int at) {
    return Short.toUnsignedInt(in.getShort(at));
  }

  private static long unsignedInt(ByteBuffer in, int at) {
    return Integer.toUnsignedLong(in.getInt(at));
  }
}
