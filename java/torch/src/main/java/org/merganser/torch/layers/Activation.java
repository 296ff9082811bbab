// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.model.MapFamily;

/**
 * An elementwise nonlinearity. Only permutations commute with it; ReLU allows positive scales too,
 * an odd one signs.
 */
public enum Activation implements Layer {
  RELU(MapFamily.SCALED_PERMUTATION) {
    @Override
    public Tensor forward(Tensor x, ForwardPass pass) {
      return torch.relu(x);
    }
  },
  TANH(MapFamily.SIGNED_PERMUTATION) {
    @Override
    public Tensor forward(Tensor x, ForwardPass pass) {
      return x.tanh();
    }
  },
  SIGMOID(MapFamily.PERMUTATION) {
    @Override
    public Tensor forward(Tensor x, ForwardPass pass) {
      return x.sigmoid();
    }
  },
  GELU(MapFamily.PERMUTATION) {
    @Override
    public Tensor forward(Tensor x, ForwardPass pass) {
      return torch.gelu(x);
    }
  };

  private final MapFamily symmetry;

  Activation(MapFamily symmetry) {
    this.symmetry = symmetry;
  }

  @Override
  public Signal describe(Signal in, Description description) {
    if (in.space() != null) {
      in.space().restrict(symmetry);
    }
    return in.in(in.space(), description.node());
  }
}
