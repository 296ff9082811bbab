// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Optional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Binding.Block;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/** See {@link Tokens#attention}. */
record SelfAttention(String name, long features, long heads) implements Layer {
  /** Queries, keys and values. */
  private static final int PARTS = 3;

  SelfAttention {
    if (heads < 1 || features % heads != 0) {
      throw new ShapeException(
          "attention '%s' of %d features cannot have %d heads; they must divide the features"
              .formatted(name, features, heads));
    }
  }

  @Override
  public Signal describe(Signal in, Description description) {
    if (!in.isSequenceOf(features)) {
      throw new ShapeException(
          "attention '" + name + "' reads tokens of " + features + " features, it is given " + in);
    }
    long rows = PARTS * features;
    Initial initial = Initial.xavier(features, rows);
    description.parameter(weight(), TensorInfo.of(DType.F32, rows, features), initial);
    description.parameter(bias(), TensorInfo.of(DType.F32, rows), Initial.ZERO);
    description.consume(in, weight(), 1);
    description.projection(new AffineLayer(name, weight(), Optional.of(bias()), rows));
    Description.Space space = description.space(name + ".heads", heads);
    for (int part = 0; part < PARTS; part++) {
      Block block = new Block(part * features, features / heads);
      space.bind(weight(), 0, Role.WEIGHT_OUT, block);
      space.bind(bias(), 0, Role.BIAS, block);
    }
    // Within a head there are more maps that change nothing, of its own entries only.
    space.restrict(MapFamily.PERMUTATION);
    return in.entries(space, heads, features / heads, description.node());
  }

  @Override
  public Tensor forward(Tensor x, ForwardPass pass) {
    long samples = x.size(0);
    long tokens = x.size(1);
    long entries = features / heads;
    Tensor projected =
        torch
            .addmm(pass.parameter(bias()), x.flatten(0, 1), pass.parameter(weight()).t())
            .view(samples, tokens, PARTS * features);
    Tensor all =
        pass.added(name, projected, other -> x.matmul(other.t()))
            .view(samples, tokens, PARTS, heads, entries)
            .permute(2, 0, 3, 1, 4);
    // [samples x heads x tokens x entries] each.
    Tensor queries = all.select(0, 0).mul(new Scalar(1 / Math.sqrt(entries)));
    Tensor keys = all.select(0, 1);
    Tensor values = all.select(0, 2);
    Tensor weights = queries.matmul(keys.transpose(2, 3)).softmax(-1);
    return weights.matmul(values).transpose(1, 2).reshape(samples, tokens, features);
  }

  private String weight() {
    return name + ".in_proj_weight";
  }

  private String bias() {
    return name + ".in_proj_bias";
  }
}
