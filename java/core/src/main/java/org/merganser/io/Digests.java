// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;

/** Digests of pieces of tensors, and what a tensor's follows from. */
final class Digests {
  private Digests() {}

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** SHA-256 in hexadecimal digits. */
  static String sha256(ByteBuffer bytes) {
    MessageDigest sha = sha256();
    sha.update(bytes);
    return HexFormat.of().formatHex(sha.digest());
  }

  /** Of a file, as {@code sha256sum} prints it. */
  static String sha256(Path file) throws IOException {
    MessageDigest sha = sha256();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int read; (read = in.read(buffer)) > 0; ) {
        sha.update(buffer, 0, read);
      }
    }
    return HexFormat.of().formatHex(sha.digest());
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
    MessageDigest sha = sha256();
    pieces.forEach(piece -> sha.update(HexFormat.of().parseHex(piece)));
    return HexFormat.of().formatHex(sha.digest());
  }
}
