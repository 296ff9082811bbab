// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.plan.Doctor;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Digests;

/**
 * Everything a trained model depends on, as a text; its hash names the model. Where {@link
 * #machine} is one of its parts, the same recipe gives the same bytes; where it is not, the last
 * bits may differ on another one, and a model that is there is taken all the same.
 */
public record Recipe(String text) {
  /** Raised when training with the same settings begins to give other models. */
  private static final int VERSION = 1;

  /**
   * @param what is trained
   * @param parts what it depends on beside network and versions, in order
   */
  public static Recipe of(String what, TorchNetwork network, Map<String, ?> parts) {
    StringBuilder text = new StringBuilder();
    text.append("merganser ").append(what).append(", recipe ").append(VERSION);
    text.append("\nnetwork ").append(network);
    network.parameters().forEach((name, info) -> text.append("\ntensor " + name + " " + info));
    parts.forEach((key, value) -> text.append("\n" + key + " " + value));
    text.append("\ntorch ").append(TorchNatives.version());
    text.append("\nmerganser ").append(Doctor.versions().get("merganser"));
    return new Recipe(text.append('\n').toString());
  }

  /** On what the last bits depend: the backend, and the instruction set of kernels on the CPU. */
  public static String machine(Workspace ws) {
    return ws.backend() + " " + Doctor.isa();
  }

  /** SHA-256 of the text. */
  public String hash() {
    return Digests.of(text);
  }
}
