// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Files of torch.save: those that torch wrote (fixtures/torch/make.py) and made by hand. */
final class TorchZip {
  private TorchZip() {}

  static Path fixture(String name) {
    try {
      return Path.of(TorchZip.class.getResource("/fixtures/torch/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** Instruction for a text. */
  static String text(String text) {
    return "X" + (char) text.length() + "\0\0\0" + text;
  }

  /** Instruction for a number up to 65535. */
  static String number(int number) {
    return "M" + (char) (number & 255) + (char) (number >> 8);
  }

  /** {"w": a tensor of floats in a storage of {@code count}}. */
  static String tensor(int count, String offset, String shape, String strides) {
    String storage =
        "(("
            + text("storage")
            + "ctorch\nFloatStorage\n"
            + text("0")
            + text("cpu")
            + number(count)
            + "tQ";
    return "\u0080\2}"
        + text("w")
        + "ctorch._utils\n_rebuild_tensor_v2\n"
        + storage
        + offset
        + shape
        + strides
        + "\u0089)tRs.";
  }

  static Path write(Path file, String pickle, byte[] data) throws IOException {
    return write(
        file, Map.of("m/data.pkl", pickle.getBytes(StandardCharsets.ISO_8859_1), "m/data/0", data));
  }

  /** Uncompressed entries, the pickle first. */
  static Path write(Path file, Map<String, byte[]> entries) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      zip.setMethod(ZipOutputStream.STORED);
      for (String name : entries.keySet().stream().sorted((a, b) -> rank(a, b)).toList()) {
        byte[] bytes = entries.get(name);
        CRC32 crc = new CRC32();
        crc.update(bytes);
        ZipEntry entry = new ZipEntry(name);
        entry.setSize(bytes.length);
        entry.setCrc(crc.getValue());
        zip.putNextEntry(entry);
        zip.write(bytes);
      }
    }
    return file;
  }

  private static int rank(String a, String b) {
    boolean first = a.endsWith("data.pkl");
    return first == b.endsWith("data.pkl") ? a.compareTo(b) : first ? -1 : 1;
  }
}
