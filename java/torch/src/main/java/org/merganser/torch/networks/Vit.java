// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

import java.util.ArrayList;
import java.util.List;
import org.merganser.error.ShapeException;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Initial;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.LayerNorm;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Residual;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.layers.Tokens;

/**
 * Vision transformers (Dosovitskiy et al. 2021): patches of an image embedded by a linear map,
 * learned positions, blocks of attention and of a perceptron with GELU, each after a normalisation
 * and added to what it reads, one more normalisation, and a linear head. Names and epsilon (1e-6)
 * are torchvision's: {@code conv_proj}, {@code class_token}, {@code encoder.pos_embedding}, {@code
 * encoder.layers.encoder_layer_N.{ln_1, self_attention, ln_2, mlp.0, mlp.3}}, {@code encoder.ln},
 * {@code heads.head}. Without dropout. Initial weights are Xavier-uniform.
 */
public final class Vit {
  private static final double EPSILON = 1e-6;

  /** Features of the perceptrons, as a multiple of the width. */
  private static final long EXPANSION = 4;

  private Vit() {}

  /**
   * @param patch side of the square patches, which tile the image
   * @param width features of each token
   * @param depth number of blocks
   * @param heads of attention, which divide the width
   * @param pool {@link Tokens.Pool#FIRST} for a token of its own, as torchvision has it, else the
   *     mean of all
   * @param input channels, height, width of an image
   */
  public static TorchNetwork of(
      long patch,
      long width,
      int depth,
      long heads,
      Tokens.Pool pool,
      long classes,
      long... input) {
    if (input.length != 3 || patch < 1 || input[1] % patch != 0 || input[2] % patch != 0) {
      throw new ShapeException(
          input.length == 3
              ? "patches of %d do not tile an image of %d x %d".formatted(patch, input[1], input[2])
              : "a vision transformer reads images [channels, height, width]");
    }
    long channels = input[0];
    long tokens = (input[1] / patch) * (input[2] / patch);
    Initial embedding = Initial.xavier(channels * patch * patch, width);
    List<Layer> layers = new ArrayList<>();
    layers.add(new Convolution("conv_proj", channels, width, patch, patch, 0, true, embedding));
    layers.add(Tokens.ofImage());
    if (pool == Tokens.Pool.FIRST) {
      layers.add(Tokens.classToken("class_token", width));
      tokens++;
    }
    layers.add(Tokens.positions("encoder.pos_embedding", tokens, width));
    for (int block = 0; block < depth; block++) {
      layers.addAll(block("encoder.layers.encoder_layer_" + block, width, heads));
    }
    layers.add(new LayerNorm("encoder.ln", width, EPSILON));
    layers.add(pool);
    layers.add(new Linear("heads.head", width, classes, Initial.xavier(width, classes)));
    return TorchNetwork.of(new Sequential(layers), input);
  }

  private static List<Layer> block(String name, long width, long heads) {
    long wide = EXPANSION * width;
    String attention = name + ".self_attention";
    return List.of(
        new Residual(
            attention,
            Sequential.of(
                new LayerNorm(name + ".ln_1", width, EPSILON),
                Tokens.attention(attention, width, heads),
                new Linear(attention + ".out_proj", width, width, Initial.xavier(width, width))),
            Sequential.of()),
        new Residual(
            name + ".mlp",
            Sequential.of(
                new LayerNorm(name + ".ln_2", width, EPSILON),
                new Linear(name + ".mlp.0", width, wide, Initial.xavier(width, wide)),
                Activation.GELU,
                new Linear(name + ".mlp.3", wide, width, Initial.xavier(wide, width))),
            Sequential.of()));
  }
}
