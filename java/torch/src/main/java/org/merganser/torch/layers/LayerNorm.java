// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/**
 * Normalises the features of each sample, at each position of an image or token of a sequence (Ba
 * et al. 2016): {@code NAME.weight} and {@code NAME.bias} [features]. Only permutations commute
 * with it.
 *
 * @param epsilon added to variances
 */
public record LayerNorm(String name, long features, double epsilon) implements Layer {
  private static final double USUAL = 1e-5;

  /** With epsilon 1e-5. */
  public LayerNorm(String name, long features) {
    this(name, features, USUAL);
  }

  @Override
  public Signal describe(Signal signal, Description description) {
    boolean flattened = signal.repeat() != 1;
    if (signal.features() != features || signal.space() == null || flattened) {
      throw new ShapeException(
          "normalisation '"
              + name
              + "' of "
              + features
              + " features must follow a layer of as many, it is given "
              + signal);
    }
    TensorInfo vector = TensorInfo.of(DType.F32, features);
    description.parameter(name + ".weight", vector, Initial.ONE);
    description.parameter(name + ".bias", vector, Initial.ZERO);
    signal.space().bind(name + ".weight", 0, Role.NORM_SCALE);
    signal.space().bind(name + ".bias", 0, Role.NORM_SHIFT);
    signal.space().restrict(MapFamily.PERMUTATION);
    return signal.in(signal.space(), description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    boolean image = x.dim() == 4;
    Tensor last = image ? x.permute(0, 2, 3, 1) : x;
    Tensor normal =
        torch.layer_norm(
            last,
            new long[] {features},
            new TensorOptional(pass.parameter(name + ".weight")),
            new TensorOptional(pass.parameter(name + ".bias")),
            epsilon,
            false);
    return image ? normal.permute(0, 3, 1, 2) : normal;
  }

  /** Without the usual epsilon: models are kept under the text of their network. */
  @Override
  public String toString() {
    return "LayerNorm[name=%s, features=%d%s]"
        .formatted(name, features, epsilon == USUAL ? "" : ", epsilon=" + epsilon);
  }
}
