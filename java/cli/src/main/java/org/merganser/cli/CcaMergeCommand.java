// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.merganser.lab.data.Split;
import org.merganser.lab.experiment.CcaMergeOptions;
import org.merganser.lab.experiment.NetworkChoice;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Norm;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The experiment of CCA Merge. */
@Command(
    name = "cca-merge",
    mixinStandardHelpOptions = true,
    description = "Trains, aligns with every method, merges and compares (CCA Merge, 2024).")
final class CcaMergeCommand implements Callable<Integer> {
  @Spec CommandSpec spec;
  @Mixin CommonOptions common;

  @Option(
      names = "--data",
      paramLabel = "blobs|DIR",
      defaultValue = CcaMergeOptions.EMBEDDED,
      description =
          "The synthetic task, or a folder of images: the IDX files of MNIST and its relatives,"
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
      names = "--hidden",
      paramLabel = "N",
      defaultValue = "32",
      description = "Width of the hidden layers of mlp (default: ${DEFAULT-VALUE}).")
  int hidden;

  @Option(
      names = "--layers",
      paramLabel = "L",
      defaultValue = "2",
      description = "Number of hidden layers of mlp (default: ${DEFAULT-VALUE}).")
  int layers;

  @Option(
      names = "--width-multiplier",
      paramLabel = "X",
      defaultValue = "1",
      description =
          "Multiplies the channels of a convolutional network (default: ${DEFAULT-VALUE}).")
  double width;

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
      description = "Models merged at once (default: ${DEFAULT-VALUE}).")
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
      names = "--aligners",
      paramLabel = "ID",
      split = ",",
      description = "Methods to compare (default: all).")
  List<String> aligners;

  @Option(
      names = "--gamma",
      paramLabel = "G",
      defaultValue = "1",
      description = "Relative regulariser of CCA (default: ${DEFAULT-VALUE}).")
  double gamma;

  @Option(
      names = "--no-repair",
      description =
          "Leave out the rows of merged models after repair (bn-reset with batch normalisation,"
              + " repair without).")
  boolean noRepair;

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
      names = "--points",
      paramLabel = "N",
      defaultValue = "11",
      description =
          "Models evaluated on the line between the first two; 0 for none (default:"
              + " ${DEFAULT-VALUE}).")
  int points;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      defaultValue = "merganser-cca-merge",
      description = "Where results.json and report.html go (default: ${DEFAULT-VALUE}).")
  Path out;

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
      description = "Keep models, statistics and merged models in DIR/pair-I.")
  Path keep;

  @Override
  public Integer call() throws IOException {
    CcaMergeOptions.Builder options =
        CcaMergeOptions.builder(data)
            .network(network())
            .models(models)
            .pairs(seeds)
            .seed(seed)
            .published(isPublished())
            .gamma(gamma)
            .repair(!noRepair)
            .split(Split.of(split))
            .augmentation(augment ? Augmentation.flipAndCrop() : Augmentation.NONE)
            .points(points)
            .cache(cache != null ? cache : out.resolve("models"));
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
    CcaMergeRun.run(options.build(), out, common, spec.commandLine().getOut());
    return 0;
  }

  private NetworkChoice network() {
    NetworkChoice.Kind kind = NetworkChoice.Kind.of(network);
    Norm usual = network.startsWith("resnet") ? Norm.BATCH : Norm.NONE;
    return new NetworkChoice(kind, hidden, layers, width, norm == null ? usual : norm());
  }

  private Norm norm() {
    for (Norm known : Norm.values()) {
      if (known.name().toLowerCase(Locale.ROOT).equals(norm)) {
        return known;
      }
    }
    throw new IllegalArgumentException(
        "no normalisation '" + norm + "'; there are none, batch, layer");
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
