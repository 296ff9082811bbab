// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Tokens;

/**
 * A network by its settings, as {@code --network} of the command line and experiments have it, so
 * that their models can be run from Java too: {@code
 * Settings.of(NetworkChoice.defaults()).parse("", "network=resnet20,width-multiplier=0.25")}.
 */
public record NetworkChoice(
    @Setting("what is trained") Kind network,
    @Setting(
            value =
                "width of the hidden layers of mlp, of the tokens of vit; 32 unless set, of vit 64",
            min = 1,
            max = 1_000_000)
        OptionalInt hidden,
    @Setting(
            value = "number of hidden layers of mlp, of blocks of vit; 2 unless set, of vit 4",
            min = 1,
            max = 1000)
        OptionalInt layers,
    @Setting(
            value = "multiplies the channels of a convolutional network; 1 unless set",
            above = 0,
            max = 1000)
        Optional<Double> widthMultiplier,
    @Setting(
            "normalisation of a convolutional network; none for vgg and batch for resnet unless"
                + " set")
        Optional<Norm> norm,
    @Setting(value = "side of the patches of vit; 4 unless set", min = 1, max = 1000)
        OptionalInt patch,
    @Setting(value = "heads of attention of vit; 4 unless set", min = 1, max = 1000)
        OptionalInt heads,
    @Setting("which token the head of vit reads; first, a token of its own, unless set")
        Optional<Tokens.Pool> pool) {
  private static final int USUAL_WIDTH = 32;
  private static final int USUAL_LAYERS = 2;
  private static final int USUAL_TOKEN = 64;
  private static final int USUAL_BLOCKS = 4;
  private static final int USUAL_PATCH = 4;
  private static final int USUAL_HEADS = 4;
  private static final double MOST_PARAMETERS = 1e9;

  /** Families of networks. */
  public enum Kind {
    MLP(0),
    VGG11(11),
    VGG16(16),
    RESNET18(18),
    RESNET20(20),
    RESNET50(50),
    VIT(0);

    /** The number in the name of a convolutional network. */
    private final int depth;

    Kind(int depth) {
      this.depth = depth;
    }

    /** As on the command line. */
    public String id() {
      return name().toLowerCase(Locale.ROOT);
    }

    public boolean isVgg() {
      return this == VGG11 || this == VGG16;
    }
  }

  public NetworkChoice {
    Settings.check(
        NetworkChoice.class, network, hidden, layers, widthMultiplier, norm, patch, heads, pool);
    String unused = "network " + network.id() + " does not use it";
    boolean vit = network == Kind.VIT;
    boolean layered = network == Kind.MLP || vit;
    refuse("norm", layered && norm.isPresent(), unused);
    refuse("width-multiplier", layered && widthMultiplier.isPresent(), unused);
    refuse("hidden", !layered && hidden.isPresent(), unused);
    refuse("layers", !layered && layers.isPresent(), unused);
    refuse("patch", !vit && patch.isPresent(), unused);
    refuse("heads", !vit && heads.isPresent(), unused);
    refuse("pool", !vit && pool.isPresent(), unused);
    int width = hidden.orElse(vit ? USUAL_TOKEN : USUAL_WIDTH);
    int depth = layers.orElse(vit ? USUAL_BLOCKS : USUAL_LAYERS);
    if (vit && width % heads.orElse(USUAL_HEADS) != 0) {
      throw new IllegalArgumentException(
          "--heads: %d do not divide the width of the tokens, which is %d (--hidden)"
              .formatted(heads.orElse(USUAL_HEADS), width));
    }
    double weights = (double) width * width * (vit ? 12.0 * depth : depth - 1);
    if (weights > MOST_PARAMETERS) {
      throw new IllegalArgumentException(
          ("%d hidden layers of %d have %.0f weights between them, at most %.0f are trained here;"
                  + " use fewer or narrower layers")
              .formatted(depth, width, weights, MOST_PARAMETERS));
    }
  }

  private static void refuse(String setting, boolean unused, String reason) {
    if (unused) {
      throw new IllegalArgumentException("--" + setting + ": " + reason + "; drop it");
    }
  }

  /** A perceptron. */
  public static NetworkChoice defaults() {
    return new NetworkChoice(
        Kind.MLP,
        OptionalInt.empty(),
        OptionalInt.empty(),
        Optional.empty(),
        Optional.empty(),
        OptionalInt.empty(),
        OptionalInt.empty(),
        Optional.empty());
  }

  public boolean isBatchNormalised() {
    return isConvolutional() && normalisation() == Norm.BATCH;
  }

  private Norm normalisation() {
    return norm.orElse(isConvolutional() && !network.isVgg() ? Norm.BATCH : Norm.NONE);
  }

  private double width() {
    return widthMultiplier.orElse(1.0);
  }

  public boolean isConvolutional() {
    return network != Kind.MLP && network != Kind.VIT;
  }

  /** Whether it reads images as they are, and not as vectors. */
  public boolean readsImages() {
    return network != Kind.MLP;
  }

  /**
   * The network for samples of a shape, {@code [values]} or {@code [channels, height, width]}.
   *
   * @param samples what they are called in messages
   * @throws IllegalArgumentException when a network of images is given vectors
   * @throws org.merganser.error.ShapeException when patches do not tile the images
   */
  public TorchNetwork build(String samples, long classes, long... shape) {
    if (!readsImages()) {
      int width = hidden.orElse(USUAL_WIDTH);
      int depth = layers.orElse(USUAL_LAYERS);
      return TorchNetwork.mlp(Tensor.size(shape), width, depth, classes, Activation.RELU);
    }
    if (shape.length != 3) {
      throw new IllegalArgumentException(
          "%s reads images, the samples of '%s' are vectors; use mlp"
              .formatted(network.id(), samples));
    }
    if (network == Kind.VIT) {
      return Vit.of(
          patch.orElse(USUAL_PATCH),
          hidden.orElse(USUAL_TOKEN),
          layers.orElse(USUAL_BLOCKS),
          heads.orElse(USUAL_HEADS),
          pool.orElse(Tokens.Pool.FIRST),
          classes,
          shape);
    }
    if (network.isVgg()) {
      return Vgg.of(network.depth, width(), normalisation(), classes, shape);
    }
    // The first stride and pool of torchvision's stem would leave little of a small image.
    ResNet.Stem stem = shape[1] >= 128 ? ResNet.Stem.IMAGENET : ResNet.Stem.SMALL;
    return ResNet.of(network.depth, width(), normalisation(), stem, classes, shape);
  }

  /** What it is in words and numbers, what is not set as it is usual; for files of results. */
  public Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("kind", network.id());
    if (isConvolutional()) {
      facts.put("widthMultiplier", width());
      facts.put("norm", normalisation().name().toLowerCase(Locale.ROOT));
    } else if (network == Kind.VIT) {
      facts.put("hidden", hidden.orElse(USUAL_TOKEN));
      facts.put("layers", layers.orElse(USUAL_BLOCKS));
      facts.put("patch", patch.orElse(USUAL_PATCH));
      facts.put("heads", heads.orElse(USUAL_HEADS));
      facts.put("pool", pool.orElse(Tokens.Pool.FIRST).name().toLowerCase(Locale.ROOT));
    } else {
      facts.put("hidden", hidden.orElse(USUAL_WIDTH));
      facts.put("layers", layers.orElse(USUAL_LAYERS));
    }
    return facts;
  }
}
