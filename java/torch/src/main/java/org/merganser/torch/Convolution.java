// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.Optional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
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

  /**
   * Unless channels come in multiples of this, the gradient that oneDNN 3.7 (in libtorch 2.10)
   * returns for the input now and then holds uninitialised memory; libtorch's own convolution takes
   * its place.
   */
  private static final int BLOCK = 16;

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
    if (signal.flat() || signal.features() != in) {
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
    TensorOptional bias =
        hasBias ? new TensorOptional(pass.parameter(bias())) : new TensorOptional();
    boolean blocks = in % BLOCK == 0 && out % BLOCK == 0;
    if (!blocks && x.requires_grad()) {
      return torch.thnn_conv2d(
          x,
          pass.parameter(weight()),
          new long[] {kernel, kernel},
          bias,
          new long[] {stride, stride},
          new long[] {padding, padding});
    }
    return torch.conv2d(
        x,
        pass.parameter(weight()),
        bias,
        new long[] {stride, stride},
        new long[] {padding, padding},
        new long[] {1, 1},
        1);
  }

  private String weight() {
    return name + ".weight";
  }

  private String bias() {
    return name + ".bias";
  }
}
