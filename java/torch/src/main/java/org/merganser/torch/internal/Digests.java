// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import org.merganser.internal.kernel.Block;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** SHA-256 of what training depends on and gives, in hexadecimal digits. */
public final class Digests {
  private static final int CHUNK = 1 << 24;

  private Digests() {}

  /** Of a text in UTF-8. */
  public static String of(String text) {
    return of(Map.of(), text);
  }

  /** Of tensors on the host in their order, with names, types, shapes and bytes, then a text. */
  public static String of(Map<String, Tensor> tensors, String text) {
    MessageDigest digest = sha256();
    tensors.forEach(
        (name, tensor) -> {
          String head = name + " " + TensorInfo.of(tensor) + "\n";
          digest.update(head.getBytes(UTF_8));
          for (long at = 0; at < tensor.bytes(); at += CHUNK) {
            int length = (int) Math.min(tensor.bytes() - at, CHUNK);
            try (Block.View view = Block.view(tensor, at, length)) {
              digest.update(view.buffer());
            }
          }
        });
    return HexFormat.of().formatHex(digest.digest(text.getBytes(UTF_8)));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }
}
