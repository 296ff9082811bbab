// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import org.merganser.plan.Doctor;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Digests;

/**
 * Everything a trained model depends on, as a text; its hash names the model. The same recipe gives
 * the same bytes on the same type of CPU.
 */
record Recipe(String text) {
  /** Raised when training with the same settings begins to give other models. */
  private static final int VERSION = 1;

  /**
   * @param data digest of the training examples
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
    return Digests.of(text);
  }
}
