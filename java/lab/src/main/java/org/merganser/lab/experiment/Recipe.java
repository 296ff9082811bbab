// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import org.merganser.internal.kernel.Block;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Doctor;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.training.Trainer;

/**
 * Everything a trained model depends on, as a text; its hash names the model. The same recipe gives
 * the same bytes on the same type of CPU.
 */
record Recipe(String text) {
  /** Raised when training with the same settings begins to give other models. */
  private static final int VERSION = 1;

  private static final int CHUNK = 1 << 24;

  /**
   * @param data digest of the training examples, {@link #digest(Examples)}
   * @param part which part of which data they are, for readers
   */
  static Recipe of(
      TorchNetwork network, String data, String part, Trainer.Options options, long seed) {
    StringBuilder text = new StringBuilder();
    text.append("merganser trained model, recipe ").append(VERSION).append('\n');
    text.append("network ").append(network).append('\n');
    network
        .parameters()
        .forEach(
            (name, info) ->
                text.append("tensor ").append(name).append(' ').append(info).append('\n'));
    text.append("data ").append(part).append('\n');
    text.append("examples sha256 ").append(data).append('\n');
    text.append("trainer ").append(options).append('\n');
    text.append("seed ").append(seed).append('\n');
    text.append("torch ").append(TorchNatives.version()).append('\n');
    text.append("merganser ").append(Doctor.versions().get("merganser")).append('\n');
    return new Recipe(text.toString());
  }

  /** SHA-256 of the text. */
  String hash() {
    return HexFormat.of().formatHex(sha256().digest(text.getBytes(StandardCharsets.UTF_8)));
  }

  /** SHA-256 of inputs, labels and number of classes. */
  static String digest(Examples data) {
    MessageDigest digest = sha256();
    update(digest, "inputs", data.inputs());
    StringBuilder labels = new StringBuilder();
    labels.append("classes ").append(data.classes()).append(" labels");
    for (int label : data.labels()) {
      labels.append(' ').append(label);
    }
    digest.update(labels.toString().getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest.digest());
  }

  /** SHA-256 of named tensors in their order: names, types, shapes and bytes. */
  static String digest(Map<String, Tensor> tensors) {
    MessageDigest digest = sha256();
    tensors.forEach((name, tensor) -> update(digest, name, tensor));
    return HexFormat.of().formatHex(digest.digest());
  }

  private static void update(MessageDigest digest, String name, Tensor tensor) {
    String head = name + " " + TensorInfo.of(tensor) + "\n";
    digest.update(head.getBytes(StandardCharsets.UTF_8));
    for (long at = 0; at < tensor.bytes(); at += CHUNK) {
      try (Block.View view = Block.view(tensor, at, (int) Math.min(tensor.bytes() - at, CHUNK))) {
        digest.update(view.buffer());
      }
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }
}
