// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Safetensors files put together by hand, broken ones included. */
final class Headers {
  private Headers() {}

  static Path write(Path path, String json, int dataBytes) throws IOException {
    return write(path, json.getBytes(StandardCharsets.UTF_8), dataBytes);
  }

  static Path write(Path path, byte[] header, int dataBytes) throws IOException {
    return write(path, header.length, header, dataBytes);
  }

  /** The length field may lie. */
  static Path write(Path path, long length, byte[] header, int dataBytes) throws IOException {
    ByteBuffer file =
        ByteBuffer.allocate(8 + header.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(length).put(header);
    return Files.write(path, file.array());
  }
}
