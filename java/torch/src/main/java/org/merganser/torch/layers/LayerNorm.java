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
 * Normalises the features of each sample, at each position of an image (Ba et al. 2016): {@code
 * NAME.weight} and {@code NAME.bias} [features], epsilon 1e-5. Only permutations commute with it.
 */
public record LayerNorm(String name, long features) implements Layer {
  private static final double EPSILON = 1e-5;

  @Override
  public Signal describe(Signal signal, Description description) {
    boolean flattened = signal.flat() && signal.positions() != 1;
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
            EPSILON,
            false);
    return image ? normal.permute(0, 3, 1, 2) : normal;
  }
}
