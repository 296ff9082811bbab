// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageForm;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.torch.Augmentation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.networks.Vgg;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/** The network of an experiment, and how one of its kind is trained at the scale of minutes. */
public record NetworkChoice(
    @Setting("what is trained") Kind network,
    @Setting(value = "width of the hidden layers of mlp; 32 unless set", min = 1, max = 1_000_000)
        OptionalInt hidden,
    @Setting(value = "number of hidden layers of mlp; 2 unless set", min = 1, max = 1000)
        OptionalInt layers,
    @Setting(
            value = "multiplies the channels of a convolutional network; 1 unless set",
            above = 0,
            max = 1000)
        Optional<Double> widthMultiplier,
    @Setting(
            "normalisation of a convolutional network; none for vgg and batch for resnet unless"
                + " set")
        Optional<Norm> norm) {
  private static final int USUAL_WIDTH = 32;
  private static final int USUAL_LAYERS = 2;
  private static final double MOST_PARAMETERS = 1e9;

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

    private boolean isVgg() {
      return this == VGG11 || this == VGG16;
    }
  }

  public NetworkChoice {
    Settings.check(NetworkChoice.class, network, hidden, layers, widthMultiplier, norm);
    String unused = "network " + network.id() + " does not use it";
    boolean mlp = network == Kind.MLP;
    ExperimentOptions.refuse("norm", mlp && norm.isPresent(), unused);
    ExperimentOptions.refuse("width-multiplier", mlp && widthMultiplier.isPresent(), unused);
    ExperimentOptions.refuse("hidden", !mlp && hidden.isPresent(), unused);
    ExperimentOptions.refuse("layers", !mlp && layers.isPresent(), unused);
    double weights = Math.pow(hidden.orElse(USUAL_WIDTH), 2) * (layers.orElse(USUAL_LAYERS) - 1);
    if (weights > MOST_PARAMETERS) {
      throw new IllegalArgumentException(
          ("%d hidden layers of %d have %.0f weights between them, at most %.0f are trained here; use"
                  + " fewer or narrower layers")
              .formatted(
                  layers.orElse(USUAL_LAYERS),
                  hidden.orElse(USUAL_WIDTH),
                  weights,
                  MOST_PARAMETERS));
    }
  }

  /** A perceptron. */
  public static NetworkChoice defaults() {
    return new NetworkChoice(
        Kind.MLP, OptionalInt.empty(), OptionalInt.empty(), Optional.empty(), Optional.empty());
  }

  boolean isBatchNormalised() {
    return isConvolutional() && normalisation() == Norm.BATCH;
  }

  private Norm normalisation() {
    return norm.orElse(isConvolutional() && !network.isVgg() ? Norm.BATCH : Norm.NONE);
  }

  private double width() {
    return widthMultiplier.orElse(1.0);
  }

  public boolean isConvolutional() {
    return network != Kind.MLP;
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
          network.id()
              + " reads images, the samples of '"
              + data.name()
              + "' are vectors; use mlp");
    }
    // The first stride and pool of torchvision's stem would leave little of a small image.
    ResNet.Stem stem =
        input.length == 3 && input[1] >= 128 ? ResNet.Stem.IMAGENET : ResNet.Stem.SMALL;
    return switch (network) {
      case MLP ->
          TorchNetwork.mlp(
              data.inputSize(),
              hidden.orElse(USUAL_WIDTH),
              layers.orElse(USUAL_LAYERS),
              classes,
              Activation.RELU);
      case VGG11 -> Vgg.of(11, width(), normalisation(), classes, input);
      case VGG16 -> Vgg.of(16, width(), normalisation(), classes, input);
      case RESNET18 -> ResNet.of(18, width(), normalisation(), stem, classes, input);
      case RESNET20 -> ResNet.of(20, width(), normalisation(), stem, classes, input);
      case RESNET50 -> ResNet.of(50, width(), normalisation(), stem, classes, input);
    };
  }

  /** Settings at which one of its kind learns in minutes on two cores. */
  public Trainer.Options training(int epochs) {
    if (!isConvolutional()) {
      return Trainer.Options.adamW(epochs);
    }
    double rate = network.isVgg() ? 0.05 : 0.1;
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
        network.isVgg() ? Trainer.Options.VGG_RATE : Trainer.Options.RESNET_RATE);
  }

  /** For files of results. */
  Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("kind", network.id());
    if (isConvolutional()) {
      facts.put("widthMultiplier", width());
      facts.put("norm", normalisation().name().toLowerCase(Locale.ROOT));
    } else {
      facts.put("hidden", hidden.orElse(USUAL_WIDTH));
      facts.put("layers", layers.orElse(USUAL_LAYERS));
    }
    return facts;
  }
}
