// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Role;

/**
 * A convolution of images [samples x in x height x width], {@code y[o, p] = b[o] + sum_(i, q) W[o,
 * i, q] x[i, stride p + q - padding]} over the kernel's positions q: {@code NAME.weight} [out x in
 * x kernel x kernel] and, with a bias, {@code NAME.bias} [out], which starts at 0.
 *
 * @param padding zeros added on every side
 */
public record Convolution(
    String name,
    long in,
    long out,
    long kernel,
    long stride,
    long padding,
    boolean hasBias,
    Initial initial)
    implements Layer {

  /** Initial weights are normal with variance 2 / (in kernel^2) (He et al. 2015). */
  public static Convolution of(
      String name, long in, long out, long kernel, long stride, long padding, boolean hasBias) {
    Initial he = Initial.he(in * kernel * kernel);
    return new Convolution(name, in, out, kernel, stride, padding, hasBias, he);
  }

  Convolution withBias() {
    return new Convolution(name, in, out, kernel, stride, padding, true, initial);
  }

  @Override
  public Signal describe(Signal signal, Description description) {
    if (signal.flat() || signal.tokens() || signal.features() != in) {
      throw new ShapeException(
          "layer '" + name + "' reads images of " + in + " channels, it is given " + signal);
    }
    description.parameter(weight(), TensorInfo.of(DType.F32, out, in, kernel, kernel), initial);
    description.consume(signal, weight(), 1);
    Description.Space space = description.space(name, out);
    space.bind(weight(), 0, Role.WEIGHT_OUT);
    if (hasBias) {
      description.parameter(bias(), TensorInfo.of(DType.F32, out), Initial.ZERO);
      space.bind(bias(), 0, Role.BIAS);
    }
    description.affine(
        new AffineLayer(name, weight(), hasBias ? Optional.of(bias()) : Optional.empty(), out));
    return signal.window(name, kernel, stride, padding).with(space, out, description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    Tensor y =
        BlockedConvolution.apply(
            x,
            pass.parameter(weight()),
            hasBias ? pass.parameter(bias()) : null,
            stride,
            padding,
            1);
    return pass.added(
        name, y, weight -> BlockedConvolution.apply(x, weight, null, stride, padding, 1));
  }

  private String weight() {
    return name + ".weight";
  }

  private String bias() {
    return name + ".bias";
  }
}
