// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.merganser.align.CcaAligner;
import org.merganser.lab.data.Split;
import org.merganser.lab.experiment.ExperimentSettings;
import org.merganser.lab.experiment.NetworkChoice;
import org.merganser.plan.Catalogue;
import org.merganser.torch.Augmentation;
import org.merganser.torch.networks.Norm;
import picocli.CommandLine.Option;

/** Options of every experiment: what is trained on what, and how models are aligned. */
final class ExperimentOptions {
  @Option(
      names = "--data",
      paramLabel = "blobs|DIR",
      defaultValue = ExperimentSettings.EMBEDDED,
      description =
          "Synthetic data, or a folder of images: the IDX files of MNIST and its relatives,"
              + " CIFAR-10 or CIFAR-100 in binary form, or .npy arrays (default: the embedded"
              + " images).")
  String data;

  @Option(
      names = "--network",
      paramLabel = "mlp|vgg11|vgg16|resnet18|resnet20|resnet50",
      defaultValue = "mlp",
      description = "What is trained (default: ${DEFAULT-VALUE}).")
  String network;

  @Option(
      names = "--shrink",
      paramLabel = "K",
      description = "Average images over K x K pixels first (default: 1).")
  Integer shrink;

  @Option(
      names = "--hidden",
      paramLabel = "N",
      description = "Width of the hidden layers of mlp (default: 32).")
  Integer hidden;

  @Option(
      names = "--layers",
      paramLabel = "L",
      description = "Number of hidden layers of mlp (default: 2).")
  Integer layers;

  @Option(
      names = "--width-multiplier",
      paramLabel = "X",
      description = "Multiplies the channels of a convolutional network (default: 1).")
  Double width;

  @Option(
      names = "--norm",
      paramLabel = "none|batch|layer",
      description =
          "Normalisation of a convolutional network (default: none for vgg, batch for resnet).")
  String norm;

  @Option(
      names = "--models",
      paramLabel = "K",
      defaultValue = "2",
      description = "Models of a group, merged into one (default: ${DEFAULT-VALUE}).")
  int models;

  @Option(
      names = "--seeds",
      paramLabel = "P",
      defaultValue = "1",
      description = "Groups of models, each with its own seeds (default: ${DEFAULT-VALUE}).")
  int seeds;

  @Option(
      names = "--seed",
      paramLabel = "FIRST",
      defaultValue = "0",
      description = "First seed (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(
      names = "--protocol",
      paramLabel = "small|published",
      defaultValue = "small",
      description =
          "Training in minutes, or as published: 200 epochs of SGD with flips and crops (default:"
              + " ${DEFAULT-VALUE}).")
  String protocol;

  @Option(
      names = "--epochs",
      paramLabel = "E",
      description = "Epochs of training (default: 40 for blobs, 15 for mlp, 8 for the others).")
  Integer epochs;

  @Option(
      names = "--train",
      paramLabel = "N",
      description =
          "Training samples, from the first (default: 6000, or all when there are fewer).")
  Integer train;

  @Option(
      names = "--statistics",
      paramLabel = "N",
      description =
          "Training samples that statistics are taken from (default: all; 4000 for convolutional"
              + " networks).")
  Integer statistics;

  @Option(
      names = "--gamma",
      paramLabel = "G",
      split = ",",
      description =
          "Relative regulariser of CCA; of several (cca-merge) each pair takes the one that is best"
              + " on samples not trained on (default: 1).")
  List<Double> gammas;

  @Option(
      names = "--split",
      paramLabel = "none|80-20|dirichlet|classes",
      defaultValue = "none",
      description =
          "Which samples each model sees: all; 20%% of half of the classes and 80%% of the others,"
              + " and the reverse; random shares; classes of its own (default: ${DEFAULT-VALUE}).")
  String split;

  @Option(
      names = "--augment",
      description = "Flip and crop images at random while training (convolutional networks only).")
  boolean augment;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description =
          "Trained models by the hash of their recipe: what is there is not trained again (default:"
              + " models in the folder of --out).")
  Path cache;

  @Option(
      names = "--keep",
      paramLabel = "DIR",
      description = "Keep models, statistics and what was merged in DIR/pair-I.")
  Path keep;

  /** Gives the settings to a builder. */
  void apply(ExperimentSettings.Builder<?> options, List<String> aligners, Path out) {
    // What no network knows is said first.
    NetworkChoice chosen = network();
    refuseUnused(aligners);
    options
        .network(chosen)
        .models(models)
        .pairs(seeds)
        .seed(seed)
        .published(isPublished())
        .split(Split.of(split))
        .augmentation(augment ? Augmentation.flipAndCrop() : Augmentation.NONE)
        .cache(cache != null ? cache : out.resolve("models"));
    if (shrink != null) {
      options.shrink(shrink);
    }
    if (gammas != null) {
      options.gammas(gammas);
    }
    if (epochs != null) {
      options.epochs(epochs);
    }
    if (train != null) {
      options.train(train);
    }
    if (statistics != null) {
      options.statistics(statistics);
    }
    if (aligners != null) {
      options.aligners(aligners);
    }
    if (keep != null) {
      options.keep(keep);
    }
  }

  /** An option without effect is a misunderstanding, and figures would be told of it. */
  private void refuseUnused(List<String> aligners) {
    boolean mlp = NetworkChoice.Kind.of(network) == NetworkChoice.Kind.MLP;
    String unused = "network " + network + " does not use it";
    refuse("--norm", mlp && norm != null, unused);
    refuse("--width-multiplier", mlp && width != null, unused);
    refuse("--hidden", !mlp && hidden != null, unused);
    refuse("--layers", !mlp && layers != null, unused);
    refuse(
        "--shrink",
        shrink != null && data.equals(ExperimentSettings.BLOBS),
        "data blobs are no images");
    // Without names there is CCA among them.
    refuse(
        "--gamma",
        gammas != null
            && aligners != null
            && aligners.stream().noneMatch(id -> Catalogue.aligner(id) instanceof CcaAligner),
        "there is no cca among --aligners");
  }

  static void refuse(String option, boolean unused, String reason) {
    if (unused) {
      throw new IllegalArgumentException(option + ": " + reason + "; drop it");
    }
  }

  boolean isBatchNormalised() {
    NetworkChoice chosen = network();
    return chosen.isConvolutional() && chosen.norm() == Norm.BATCH;
  }

  private NetworkChoice network() {
    Norm usual = network.startsWith("resnet") ? Norm.BATCH : Norm.NONE;
    return new NetworkChoice(
        NetworkChoice.Kind.of(network),
        hidden == null ? 32 : hidden,
        layers == null ? 2 : layers,
        width == null ? 1 : width,
        norm == null ? usual : norm());
  }

  private Norm norm() {
    return named(Norm.class, "normalisation", norm);
  }

  /** The constant of that name, in lower case. */
  static <E extends Enum<E>> E named(Class<E> type, String what, String name) {
    List<String> names = new ArrayList<>();
    for (E known : type.getEnumConstants()) {
      names.add(known.name().toLowerCase(Locale.ROOT));
      if (names.get(names.size() - 1).equals(name)) {
        return known;
      }
    }
    throw new IllegalArgumentException(
        "no " + what + " '" + name + "'; there are " + String.join(", ", names));
  }

  private boolean isPublished() {
    return switch (protocol) {
      case "small" -> false;
      case "published" -> {
        if (epochs != null) {
          throw new IllegalArgumentException("--protocol published has 200 epochs; drop --epochs");
        }
        yield true;
      }
      default ->
          throw new IllegalArgumentException(
              "no protocol '" + protocol + "'; there are small, published");
    };
  }
}
