// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Optional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Role;

/**
 * Batch normalisation per feature (Ioffe and Szegedy 2015), with torch's names, epsilon 1e-5 and
 * momentum 0.1: {@code NAME.weight}, {@code NAME.bias}, {@code NAME.running_mean}, {@code
 * NAME.running_var} [features] and the counter {@code NAME.num_batches_tracked}.
 */
public record BatchNorm(String name, long features) implements Layer {
  private static final double EPSILON = 1e-5;
  private static final double MOMENTUM = 0.1;

  @Override
  public Signal describe(Signal signal, Description description) {
    if (signal.features() != features || signal.space() == null || signal.tokens()) {
      throw new ShapeException(
          "normalisation '"
              + name
              + "' of "
              + features
              + " features must follow a layer of as many, it is given "
              + signal);
    }
    TensorInfo vector = TensorInfo.of(DType.F32, features);
    Description.Space space = signal.space();
    description.parameter(weight(), vector, Initial.ONE);
    description.parameter(bias(), vector, Initial.ZERO);
    description.buffer(mean(), vector, Initial.ZERO);
    description.buffer(variance(), vector, Initial.ONE);
    description.counter(counter());
    space.bind(weight(), 0, Role.NORM_SCALE);
    space.bind(bias(), 0, Role.NORM_SHIFT);
    space.bind(mean(), 0, Role.RUNNING_MEAN);
    space.bind(variance(), 0, Role.RUNNING_VAR);
    // A scale would pass through but for epsilon; signs do.
    space.restrict(MapFamily.SIGNED_PERMUTATION);
    description.batchNorm(
        new BatchNormLayer(
            name,
            weight(),
            bias(),
            mean(),
            variance(),
            Optional.of(counter()),
            EPSILON,
            features,
            description.affineAt(signal.source())));
    return signal.in(space, description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    boolean batch = pass.mode() == Mode.TRAIN;
    boolean stored = !batch || pass.updatesBuffers();
    if (batch && pass.updatesBuffers()) {
      pass.parameter(counter()).add_(new Scalar(1L));
    }
    return torch.batch_norm(
        x,
        new TensorOptional(pass.parameter(weight())),
        new TensorOptional(pass.parameter(bias())),
        stored ? new TensorOptional(pass.parameter(mean())) : new TensorOptional(),
        stored ? new TensorOptional(pass.parameter(variance())) : new TensorOptional(),
        batch,
        MOMENTUM,
        EPSILON,
        false);
  }

  private String weight() {
    return name + ".weight";
  }

  private String bias() {
    return name + ".bias";
  }

  private String mean() {
    return name + ".running_mean";
  }

  private String variance() {
    return name + ".running_var";
  }

  private String counter() {
    return name + ".num_batches_tracked";
  }
}
