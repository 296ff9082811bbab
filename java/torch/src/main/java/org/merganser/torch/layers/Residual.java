// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.merganser.error.ShapeException;

/**
 * {@code y = body(x) + shortcut(x)}. Both operands and the sum are one feature space: the residual
 * stream.
 *
 * @param name of the block, for messages
 * @param shortcut an empty sequence for the identity
 */
public record Residual(String name, Sequential body, Sequential shortcut) implements Layer {
  @Override
  public Signal describe(Signal in, Description description) {
    Signal added = description.follow(body, in);
    Signal carried = description.follow(shortcut, in);
    if (!added.sameShape(carried)) {
      throw new ShapeException(
          "block '" + name + "' adds " + added + " to " + carried + "; they must be the same");
    }
    return added.in(description.union(added.space(), carried.space()), description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor added = pass.apply(body, x);
    return added.add(pass.apply(shortcut, x));
  }

  Residual folded() {
    return new Residual(name, body.folded(), shortcut.folded());
  }
}
