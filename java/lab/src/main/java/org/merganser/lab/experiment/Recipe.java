// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
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
    text.append("merganser trained model, recipe ").append(VERSION);
    text.append("\nnetwork ").append(network);
    network.parameters().forEach((name, info) -> text.append("\ntensor " + name + " " + info));
    text.append("\ndata ").append(part);
    text.append("\nexamples sha256 ").append(data);
    text.append("\ntrainer ").append(options);
    text.append("\nseed ").append(seed);
    text.append("\ntorch ").append(TorchNatives.version());
    text.append("\nmerganser ").append(Doctor.versions().get("merganser"));
    return new Recipe(text.append('\n').toString());
  }

  /** SHA-256 of the text. */
  String hash() {
    return HexFormat.of().formatHex(sha256().digest(text.getBytes(UTF_8)));
  }

  /** SHA-256 of inputs, labels and number of classes. */
  static String digest(Examples data) {
    MessageDigest digest = sha256();
    update(digest, "inputs", data.inputs());
    String labels =
        IntStream.of(data.labels()).mapToObj(label -> " " + label).collect(Collectors.joining());
    digest.update(("classes " + data.classes() + " labels" + labels).getBytes(UTF_8));
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
    digest.update(head.getBytes(UTF_8));
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
