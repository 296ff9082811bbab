// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageForm;
import org.merganser.torch.Augmentation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.networks.Vgg;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/**
 * The network of an experiment, and how one of its kind is trained at the scale of minutes.
 *
 * @param hidden width of the hidden layers of a perceptron
 * @param layers number of hidden layers of a perceptron
 * @param width multiplies the channels of a convolutional network
 * @param norm normalisation of a convolutional network
 */
public record NetworkChoice(Kind kind, int hidden, int layers, double width, Norm norm) {
  private static final int WIDEST = 1_000_000;
  private static final int DEEPEST = 1000;
  private static final double MOST_PARAMETERS = 1e9;
  private static final double WIDEST_MULTIPLIER = 1000;

  /** Families of networks. */
  public enum Kind {
    MLP,
    VGG11,
    VGG16,
    RESNET18,
    RESNET20,
    RESNET50;

    /** As on the command line. */
    public String id() {
      return name().toLowerCase(Locale.ROOT);
    }

    boolean isResidual() {
      return this == RESNET18 || this == RESNET20 || this == RESNET50;
    }

    private boolean isVgg() {
      return this == VGG11 || this == VGG16;
    }
  }

  public NetworkChoice {
    require("hidden", hidden, WIDEST);
    require("layers", layers, DEEPEST);
    double weights = (double) hidden * hidden * (layers - 1);
    if (weights > MOST_PARAMETERS) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%d hidden layers of %d have %.0f weights between them, at most %.0f are trained here;"
                  + " use fewer or narrower layers",
              layers,
              hidden,
              weights,
              MOST_PARAMETERS));
    }
    if (!(width > 0)) {
      throw new IllegalArgumentException("width multiplier must be positive, not " + width);
    }
    if (width > WIDEST_MULTIPLIER) {
      throw new IllegalArgumentException(
          "width multiplier must be at most " + WIDEST_MULTIPLIER + ", not " + width);
    }
  }

  private static void require(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException(
          name + " must be at " + (value < 1 ? "least 1" : "most " + most) + ", not " + value);
    }
  }

  /** A perceptron. */
  public static NetworkChoice mlp(int hidden, int layers) {
    return new NetworkChoice(Kind.MLP, hidden, layers, 1, Norm.NONE);
  }

  public boolean isConvolutional() {
    return kind != Kind.MLP;
  }

  /** How it takes images. */
  public ImageForm form() {
    return isConvolutional() ? ImageForm.PLANES : ImageForm.VECTORS;
  }

  /** The network for samples and classes of the data. */
  public TorchNetwork build(DataSet data) {
    long classes = data.train().classes();
    long[] input = data.inputShape();
    if (isConvolutional() && input.length != 3) {
      throw new IllegalArgumentException(
          kind.id() + " reads images, the samples of '" + data.name() + "' are vectors; use mlp");
    }
    // The first stride and pool of torchvision's stem would leave little of a small image.
    ResNet.Stem stem =
        input.length == 3 && input[1] >= 128 ? ResNet.Stem.IMAGENET : ResNet.Stem.SMALL;
    return switch (kind) {
      case MLP -> TorchNetwork.mlp(data.inputSize(), hidden, layers, classes, Activation.RELU);
      case VGG11 -> Vgg.of(11, width, norm, classes, input);
      case VGG16 -> Vgg.of(16, width, norm, classes, input);
      case RESNET18 -> ResNet.of(18, width, norm, stem, classes, input);
      case RESNET20 -> ResNet.of(20, width, norm, stem, classes, input);
      case RESNET50 -> ResNet.of(50, width, norm, stem, classes, input);
    };
  }

  /** Settings at which one of its kind learns in minutes on two cores. */
  public Trainer.Options training(int epochs) {
    if (!isConvolutional()) {
      return Trainer.Options.adamW(epochs);
    }
    double rate = kind.isVgg() ? 0.05 : 0.1;
    return new Trainer.Options(
        new Optimizer.Sgd(rate, 0.9, 5e-4),
        new Schedule(0.15, Schedule.Decay.LINEAR),
        epochs,
        128,
        1,
        1,
        new Augmentation(true, 0));
  }

  /** Settings of the published protocol, for owners of a GPU or of patience. */
  public Trainer.Options published() {
    return Trainer.Options.published(
        kind.isVgg() ? Trainer.Options.VGG_RATE : Trainer.Options.RESNET_RATE);
  }

  /** In one line. */
  @Override
  public String toString() {
    return isConvolutional()
        ? kind.id() + " x" + width + ", norm " + norm.name().toLowerCase(Locale.ROOT)
        : "mlp, " + layers + " hidden layers of " + hidden;
  }
}
