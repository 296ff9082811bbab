// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.Role;

/**
 * {@code y = W x + b}: parameters {@code NAME.weight} [out x in] and {@code NAME.bias} [out].
 * Initial weights are normal with variance 2/in (He et al. 2015), biases 0.
 */
public record Linear(String name, long in, long out) implements Layer {
  @Override
  public Signal describe(Signal signal, Description description) {
    if (!signal.flat() || signal.flatSize() != in) {
      throw new ShapeException(
          "layer '"
              + name
              + "' reads "
              + in
              + " features, it is given "
              + signal.features()
              + (signal.positions() == 1 ? "" : " at " + signal.positions() + " positions")
              + (signal.flat() ? "" : "; flatten first"));
    }
    description.parameter(weight(), TensorInfo.of(DType.F32, out, in), Math.sqrt(2.0 / in));
    description.parameter(bias(), TensorInfo.of(DType.F32, out), 0);
    description.consume(signal, name, weight(), 1);
    Description.Space space = description.space(name, out);
    space.bind(weight(), 0, Role.WEIGHT_OUT);
    space.bind(bias(), 0, Role.BIAS);
    return new Signal(space, out, 1, true);
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    pass.beforeLayer(name, x);
    return torch.addmm(pass.parameter(bias()), x, pass.parameter(weight()).t());
  }

  private String weight() {
    return name + ".weight";
  }

  private String bias() {
    return name + ".bias";
  }
}
