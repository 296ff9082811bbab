// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.merganser.lab.data.Split;
import org.merganser.lab.experiment.CcaMergeOptions;
import org.merganser.torch.Augmentation;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Published experiments by name. */
@Command(
    name = "experiment",
    mixinStandardHelpOptions = true,
    description = "Runs a published experiment at the scale of this machine.",
    synopsisSubcommandLabel = "NAME")
final class ExperimentCommand {
  @Spec CommandSpec spec;

  @Command(
      name = "cca-merge",
      mixinStandardHelpOptions = true,
      description = "Trains, aligns with every method, merges and compares (CCA Merge, 2024).")
  int ccaMerge(
      @Option(
              names = "--data",
              paramLabel = "blobs|DIR",
              defaultValue = CcaMergeOptions.EMBEDDED,
              description =
                  "The synthetic task, or a folder of images: the IDX files of MNIST and its"
                      + " relatives, CIFAR-10 or CIFAR-100 in binary form, or .npy arrays"
                      + " (default: the embedded images).")
          String data,
      @Option(
              names = "--hidden",
              paramLabel = "N",
              defaultValue = "32",
              description = "Width of the hidden layers (default: ${DEFAULT-VALUE}).")
          int hidden,
      @Option(
              names = "--layers",
              paramLabel = "L",
              defaultValue = "2",
              description = "Number of hidden layers (default: ${DEFAULT-VALUE}).")
          int layers,
      @Option(
              names = "--models",
              paramLabel = "K",
              defaultValue = "2",
              description = "Models merged at once (default: ${DEFAULT-VALUE}).")
          int models,
      @Option(
              names = "--seeds",
              paramLabel = "P",
              defaultValue = "1",
              description =
                  "Groups of models, each with its own seeds (default: ${DEFAULT-VALUE}).")
          int seeds,
      @Option(
              names = "--seed",
              paramLabel = "FIRST",
              defaultValue = "0",
              description = "First seed (default: ${DEFAULT-VALUE}).")
          long seed,
      @Option(
              names = "--epochs",
              paramLabel = "E",
              description = "Epochs of training (default: 40 for blobs, 15 for images).")
          Integer epochs,
      @Option(
              names = "--train",
              paramLabel = "N",
              description =
                  "Training samples, from the first (default: 6000, or all when there are fewer).")
          Integer train,
      @Option(
              names = "--gamma",
              paramLabel = "G",
              defaultValue = "1",
              description = "Relative regulariser of CCA (default: ${DEFAULT-VALUE}).")
          double gamma,
      @Option(
              names = "--split",
              paramLabel = "none|80-20|dirichlet|classes",
              defaultValue = "none",
              description =
                  "Which samples each model sees: all; 20%% of half of the classes and 80%% of the"
                      + " others, and the reverse; random shares; classes of its own (default:"
                      + " ${DEFAULT-VALUE}).")
          String split,
      @Option(
              names = "--augment",
              description =
                  "Flip and crop images at random while training (convolutional networks only).")
          boolean augment,
      @Option(
              names = "--points",
              paramLabel = "N",
              defaultValue = "11",
              description =
                  "Models evaluated on the line between the first two; 0 for none (default:"
                      + " ${DEFAULT-VALUE}).")
          int points,
      @Option(
              names = "--out",
              paramLabel = "DIR",
              defaultValue = "merganser-cca-merge",
              description = "Where results.json and report.html go (default: ${DEFAULT-VALUE}).")
          Path out,
      @Option(
              names = "--cache",
              paramLabel = "DIR",
              description =
                  "Trained models by the hash of their recipe: what is there is not trained again"
                      + " (default: models in the folder of --out).")
          Path cache,
      @Option(
              names = "--keep",
              paramLabel = "DIR",
              description = "Keep models, statistics and merged models in DIR/pair-I.")
          Path keep,
      @Mixin CommonOptions common)
      throws IOException {
    CcaMergeOptions.Builder options =
        CcaMergeOptions.builder(data)
            .hidden(hidden)
            .layers(layers)
            .models(models)
            .pairs(seeds)
            .seed(seed)
            .gamma(gamma)
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
    if (keep != null) {
      options.keep(keep);
    }
    CcaMergeRun.run(options.build(), out, common, spec.commandLine().getOut());
    return 0;
  }
}
