// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.Role;

/** See {@link Tokens#classToken}. */
record ClassToken(String name, long features) implements Layer {
  @Override
  public Signal describe(Signal in, Description description) {
    if (!in.isSequenceOf(features)) {
      throw new ShapeException(
          "token '" + name + "' of " + features + " features is put before as many, not " + in);
    }
    description.parameter(name, TensorInfo.of(DType.F32, 1, 1, features), Initial.ZERO);
    in.space().bind(name, 2, Role.BIAS);
    return in.in(in.space(), description.node()).longer(1);
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor token = pass.parameter(name).expand(x.size(0), -1, -1);
    return torch.cat(new TensorVector(token, x), 1);
  }
}
