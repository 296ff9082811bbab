// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Role;

/**
 * {@code y = W x + b}, of each token in a sequence: parameters {@code NAME.weight} [out x in] and,
 * with a bias, {@code NAME.bias} [out], which starts at 0.
 */
public record Linear(String name, long in, long out, boolean hasBias, Initial initial)
    implements Layer {
  /** With a bias. */
  public Linear(String name, long in, long out, Initial initial) {
    this(name, in, out, true, initial);
  }

  /** With a bias; initial weights are normal with variance 2/in (He et al. 2015). */
  public Linear(String name, long in, long out) {
    this(name, in, out, Initial.he(in));
  }

  @Override
  public Signal describe(Signal signal, Description description) {
    if (!signal.flat() && !signal.tokens() || signal.flatSize() != in) {
      throw new ShapeException(
          "layer '"
              + name
              + "' reads "
              + in
              + " features, it is given "
              + signal.features()
              + (signal.positions() == 1 ? "" : " at " + signal.positions() + " positions")
              + (signal.flat() || signal.tokens() ? "" : "; flatten first"));
    }
    description.parameter(weight(), TensorInfo.of(DType.F32, out, in), initial);
    if (hasBias) {
      description.parameter(bias(), TensorInfo.of(DType.F32, out), Initial.ZERO);
    }
    description.consume(signal, weight(), 1);
    Description.Space space = description.space(name, out);
    space.bind(weight(), 0, Role.WEIGHT_OUT);
    if (hasBias) {
      space.bind(bias(), 0, Role.BIAS);
    }
    description.affine(
        new AffineLayer(name, weight(), hasBias ? Optional.of(bias()) : Optional.empty(), out));
    return signal.tokens()
        ? signal.entries(space, out, 1, description.node())
        : Signal.vector(space, out, description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor rows = x.dim() == 2 ? x : x.flatten(0, 1);
    Tensor weights = pass.parameter(weight()).t();
    Tensor all = hasBias ? torch.addmm(pass.parameter(bias()), rows, weights) : rows.mm(weights);
    Tensor y = x.dim() == 2 ? all : all.unflatten(0, x.size(0), x.size(1));
    return pass.added(name, y, weight -> x.matmul(weight.t()));
  }

  /** With a bias as it was before there were others: trained models are kept under this text. */
  @Override
  public String toString() {
    return "Linear[name=%s, in=%d, out=%d, %sinitial=%s]"
        .formatted(name, in, out, hasBias ? "" : "hasBias=false, ", initial);
  }

  private String weight() {
    return name + ".weight";
  }

  private String bias() {
    return name + ".bias";
  }
}
