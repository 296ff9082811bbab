// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.kernel.Sha256;

/** Digests of pieces of tensors, and what a tensor's follows from. */
final class Digests {
  private Digests() {}

  /** SHA-256 in hexadecimal digits. */
  static String sha256(ByteBuffer bytes) {
    return Sha256.of(bytes);
  }

  /** Of a file, as {@code sha256sum} prints it. */
  static String sha256(Path path) throws IOException {
    try (FileBytes file = new FileBytes(path)) {
      return file.sha256();
    }
  }

  /** For what needs to notice damage only. */
  static String crc32c(ByteBuffer bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    return String.format(Locale.ROOT, "%08x", crc.getValue());
  }

  /** That of the only piece, else SHA-256 of the digests of the pieces. */
  static String ofTensor(List<String> pieces) {
    if (pieces.size() == 1) {
      return pieces.get(0);
    }
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    pieces.forEach(piece -> all.writeBytes(HexFormat.of().parseHex(piece)));
    return sha256(ByteBuffer.wrap(all.toByteArray()));
  }
}
