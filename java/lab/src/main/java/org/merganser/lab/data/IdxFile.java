// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.merganser.error.FormatException;

/**
 * The IDX format of MNIST: magic {@code 0 0 8 rank}, big-endian sizes, unsigned bytes; plain or
 * gzipped.
 *
 * @param shape sizes
 * @param bytes all values
 */
record IdxFile(int[] shape, byte[] bytes) {
  private static final int UNSIGNED_BYTE = 8;

  /**
   * @param name named in messages
   * @param rank the rank it must have
   */
  static IdxFile read(String name, InputStream raw, int rank) throws IOException {
    try (DataInputStream in = new DataInputStream(unzipped(raw))) {
      int magic = in.readInt();
      if (magic != (UNSIGNED_BYTE << 8 | rank)) {
        throw new FormatException(
            "%s: magic number %s, an IDX file of unsigned bytes with %s dimensions has %s"
                .formatted(name, magic, rank, (UNSIGNED_BYTE << 8 | rank)));
      }
      int[] shape = new int[rank];
      long size = 1;
      for (int axis = 0; axis < rank; axis++) {
        shape[axis] = in.readInt();
        // Capped, so that no product of three sizes overflows.
        size = Math.min(size * Math.max(0, shape[axis]), Integer.MAX_VALUE);
      }
      if (size <= 0 || size > Integer.MAX_VALUE - 8) {
        throw new FormatException(name + ": impossible sizes " + Arrays.toString(shape));
      }
      // Grows with what is there, so that a lying header allocates nothing.
      byte[] bytes = in.readNBytes((int) size);
      if (bytes.length < size || in.read() >= 0) {
        throw new FormatException(
            "%s: sizes %s need %s bytes of data, the file has %s"
                .formatted(
                    name,
                    Arrays.toString(shape),
                    size,
                    bytes.length < size ? bytes.length + "; it is truncated" : "more"));
      }
      return new IdxFile(shape, bytes);
    } catch (EOFException e) {
      throw new FormatException(name + ": ends early; the file is truncated", e);
    } catch (ZipException e) {
      throw new FormatException(name + ": damaged gzip data: " + e.getMessage(), e);
    }
  }

  private static InputStream unzipped(InputStream raw) throws IOException {
    BufferedInputStream in = new BufferedInputStream(raw, 1 << 16);
    in.mark(2);
    int magic = in.read() | in.read() << 8;
    in.reset();
    return magic == GZIPInputStream.GZIP_MAGIC ? new GZIPInputStream(in, 1 << 16) : in;
  }
}
