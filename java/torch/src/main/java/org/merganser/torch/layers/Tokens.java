// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import org.bytedeco.pytorch.Tensor;
import org.merganser.error.ShapeException;

/**
 * Layers of sequences [samples x tokens x features]: what makes them of images and vectors of them,
 * learned positions, attention. {@link Linear}, {@link LayerNorm}, activations and residual blocks
 * take sequences as they are.
 */
public final class Tokens {
  private Tokens() {}

  /** A sequence as one vector. */
  public enum Pool implements Layer {
    /** The first token, such as a {@link #classToken}. */
    FIRST {
      @Override
      public Tensor forward(Tensor x, ForwardPass pass) {
        return x.select(1, 0);
      }
    },
    /** The mean of all tokens. */
    MEAN {
      @Override
      public Tensor forward(Tensor x, ForwardPass pass) {
        return x.mean(1);
      }
    };

    @Override
    public Signal describe(Signal in, Description description) {
      if (!in.isSequenceOf(in.features())) {
        throw new ShapeException("tokens are pooled of a sequence, not of " + in);
      }
      return in.token();
    }
  }

  /** The positions of an image, row by row. */
  public static Layer ofImage() {
    return new Patches();
  }

  /** A learned token before the others: {@code NAME} [1 x 1 x features], which starts at 0. */
  public static Layer classToken(String name, long features) {
    return new ClassToken(name, features);
  }

  /**
   * A learned vector that is added to each token: {@code NAME} [1 x tokens x features], which
   * starts normal with deviation 0.02.
   */
  public static Layer positions(String name, long tokens, long features) {
    return new Positions(name, tokens, features);
  }

  /**
   * {@code softmax(q k^T / sqrt(d)) v} of each head, side by side, d = features / heads: {@code
   * NAME.in_proj_weight} [3 features x features] and {@code NAME.in_proj_bias}, of queries, keys
   * and values in this order, the heads one after the other in each. Heads may be permuted; they
   * are the space {@code NAME.heads}, and a {@link Linear} is to read them.
   *
   * @param heads divides features
   */
  public static Layer attention(String name, long features, long heads) {
    return new SelfAttention(name, features, heads);
  }
}
