// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.Role;

/** See {@link Tokens#positions}. */
record Positions(String name, long tokens, long features) implements Layer {
  private static final double DEVIATION = 0.02;

  @Override
  public Signal describe(Signal in, Description description) {
    if (!in.isSequenceOf(features) || in.height() != tokens) {
      throw new ShapeException(
          "positions '%s' are of %d tokens of %d features, they are given %s"
              .formatted(name, tokens, features, in));
    }
    Initial initial = new Initial(Initial.Kind.NORMAL, DEVIATION);
    description.parameter(name, TensorInfo.of(DType.F32, 1, tokens, features), initial);
    in.space().bind(name, 2, Role.BIAS);
    return in.in(in.space(), description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    return x.add(pass.parameter(name));
  }
}
