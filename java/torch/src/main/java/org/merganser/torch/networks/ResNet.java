// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.AveragePool;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.MaxPool;
import org.merganser.torch.layers.Residual;
import org.merganser.torch.layers.Sequential;

/**
 * Residual networks (He et al. 2016) under torchvision's names: {@code conv1}, {@code bn1}, {@code
 * layerS.B.convI}, {@code layerS.B.downsample.0}, {@code fc}. Names of other code ({@code
 * shortcut}, {@code linear}) are translated by {@link TorchNetwork#canonical}. Initial weights are
 * normal (He et al. 2015). Without normalisation every convolution has a bias.
 */
public final class ResNet {
  /** How an image enters. */
  public enum Stem {
    /** Convolution of 7 x 7 with stride 2, and a max pool. */
    IMAGENET,
    /** Convolution of 3 x 3, for images of 32 x 32. */
    SMALL
  }

  private static final Map<String, String> ALIASES =
      Map.of("shortcut", "downsample", "linear", "fc");

  private final boolean bottleneck;
  private final int[] blocks;
  private final long base;
  private final long shortcutKernel;
  private final double width;
  private final Norm norm;
  private final Stem stem;

  private ResNet(
      boolean bottleneck,
      int[] blocks,
      long base,
      long shortcutKernel,
      double width,
      Norm norm,
      Stem stem) {
    this.bottleneck = bottleneck;
    this.blocks = blocks;
    this.base = base;
    this.shortcutKernel = shortcutKernel;
    this.width = width;
    this.norm = norm;
    this.stem = stem;
  }

  /**
   * Depth 20 for small images has stages of 16, 32 and 64 channels and 3 x 3 convolutions in its
   * two shortcuts, as the published code of CCA Merge; depth 18 (basic blocks) and 50 (bottlenecks)
   * have four stages from 64 channels on and 1 x 1 shortcuts, as torchvision.
   *
   * @param depth 18, 20 or 50
   * @param width multiplies the number of channels
   * @param input channels, height, width of an image
   */
  public static TorchNetwork of(
      int depth, double width, Norm norm, Stem stem, long classes, long... input) {
    ResNet net =
        switch (depth) {
          case 18 -> new ResNet(false, new int[] {2, 2, 2, 2}, 64, 1, width, norm, stem);
          case 20 -> new ResNet(false, new int[] {3, 3, 3}, 16, 3, width, norm, stem);
          case 50 -> new ResNet(true, new int[] {3, 4, 6, 3}, 64, 1, width, norm, stem);
          default ->
              throw new IllegalArgumentException(
                  "no ResNet of depth " + depth + "; there are 18, 20 and 50");
        };
    return TorchNetwork.of(net.build(input.length == 0 ? 0 : input[0], classes), input)
        .withAliases(ALIASES);
  }

  private Sequential build(long channels, long classes) {
    List<Layer> layers = new ArrayList<>();
    long stream = Widths.scaled(base, width);
    boolean large = stem == Stem.IMAGENET;
    layers.addAll(
        large
            ? convolution("conv1", "bn1", channels, stream, 7, 2)
            : convolution("conv1", "bn1", channels, stream, 3, 1));
    layers.add(Activation.RELU);
    if (large) {
      layers.add(new MaxPool(3, 2, 1));
    }
    for (int stage = 0; stage < blocks.length; stage++) {
      long inner = Widths.scaled(base << stage, width);
      long out = bottleneck ? 4 * inner : inner;
      for (int block = 0; block < blocks[stage]; block++) {
        String name = "layer" + (stage + 1) + "." + block;
        long stride = stage > 0 && block == 0 ? 2 : 1;
        boolean reshapes = stride != 1 || stream != out;
        layers.add(
            new Residual(
                name,
                bottleneck
                    ? bottleneck(name, stream, inner, out, stride)
                    : basic(name, stream, out, stride),
                new Sequential(
                    reshapes
                        ? convolution(
                            name + ".downsample.0",
                            name + ".downsample.1",
                            stream,
                            out,
                            shortcutKernel,
                            stride)
                        : List.of())));
        layers.add(Activation.RELU);
        stream = out;
      }
    }
    layers.add(new AveragePool());
    layers.add(new Flatten());
    layers.add(new Linear("fc", stream, classes));
    return new Sequential(layers);
  }

  private Sequential basic(String name, long in, long out, long stride) {
    List<Layer> body = new ArrayList<>();
    body.addAll(convolution(name + ".conv1", name + ".bn1", in, out, 3, stride));
    body.add(Activation.RELU);
    body.addAll(convolution(name + ".conv2", name + ".bn2", out, out, 3, 1));
    return new Sequential(body);
  }

  private Sequential bottleneck(String name, long in, long inner, long out, long stride) {
    List<Layer> body = new ArrayList<>();
    body.addAll(convolution(name + ".conv1", name + ".bn1", in, inner, 1, 1));
    body.add(Activation.RELU);
    body.addAll(convolution(name + ".conv2", name + ".bn2", inner, inner, 3, stride));
    body.add(Activation.RELU);
    body.addAll(convolution(name + ".conv3", name + ".bn3", inner, out, 1, 1));
    return new Sequential(body);
  }

  private List<Layer> convolution(
      String name, String normName, long in, long out, long kernel, long stride) {
    List<Layer> layers = new ArrayList<>();
    layers.add(Convolution.of(name, in, out, kernel, stride, kernel / 2, norm == Norm.NONE));
    layers.addAll(norm.layers(normName, out));
    return layers;
  }
}
