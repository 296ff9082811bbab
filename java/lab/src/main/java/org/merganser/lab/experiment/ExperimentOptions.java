// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.lab.data.Split;
import org.merganser.method.Setting;
import org.merganser.model.Inputs;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.networks.NetworkChoice;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/**
 * Settings of every experiment on groups of trained models: what is trained on what. An experiment
 * has them in its own record.
 */
public record ExperimentOptions(
    @Setting(
            "blobs (synthetic), or a folder of images: the IDX files of MNIST and its relatives,"
                + " CIFAR-10 or CIFAR-100 in binary form, or .npy arrays")
        String data,
    NetworkChoice choice,
    @Setting(value = "average images over so many by so many pixels first", min = 1)
        OptionalInt shrink,
    @Setting(value = "models of a group, merged into one", min = 2) int models,
    @Setting(value = "groups of models, each with its own seeds", min = 1) int seeds,
    @Setting("first seed") long seed,
    @Setting("training in minutes, or as published: 200 epochs of SGD with flips and crops")
        Protocol protocol,
    @Setting(
            value = "epochs of training; 40 for blobs, 15 for mlp, 8 for the others unless set",
            min = 1)
        OptionalInt epochs,
    @Setting(
            value =
                "training samples, from the first; 6000, or all when there are fewer, unless set",
            min = 2)
        OptionalInt train,
    @Setting(
            value =
                "training samples that statistics are taken from; all, 4000 for convolutional"
                    + " networks, unless set",
            min = 2)
        OptionalInt statistics,
    @Setting(
            "which samples each model sees: all; 20% of half of the classes and 80% of the others,"
                + " and the reverse; random shares; classes of its own")
        Split split,
    @Setting("flip and crop images at random while training (convolutional networks only)")
        boolean augment,
    @Setting(
            "trained models by the hash of their recipe: what is there is not trained again; models"
                + " in the folder of --out unless set")
        Optional<Path> cache,
    @Setting("keep models, statistics and what was merged in DIR/pair-I") Optional<Path> keep,
    @Setting(
            "where results.json and report.html go; a folder named after the experiment unless set")
        Optional<Path> out) {

  /** The synthetic data. */
  public static final String BLOBS = "blobs";

  /** The embedded images. */
  public static final String EMBEDDED = "fashion-mnist-subset";

  /** Images that REPAIR measures layer after layer, and that the models of a path are tried on. */
  static final int FEW = 1000;

  private static final int STATISTICS_IMAGES = 4000;
  private static final int STATISTICS_BATCH = 500;

  /** Activations of larger batches of images do not stay in the cache. */
  private static final int IMAGE_BATCH = 100;

  /** How models are trained. */
  public enum Protocol {
    SMALL,
    PUBLISHED
  }

  public ExperimentOptions {
    refuse("shrink", data.equals(BLOBS) && shrink.isPresent(), "data blobs are no images");
    if (protocol == Protocol.PUBLISHED && epochs.isPresent()) {
      throw new IllegalArgumentException("--protocol published has 200 epochs; drop --epochs");
    }
    if (split == Split.EIGHTY_TWENTY) {
      split.check(models, Integer.MAX_VALUE);
    }
  }

  /** A perceptron on the embedded images, one pair of models from seed 0. */
  public static ExperimentOptions defaults() {
    return new ExperimentOptions(
        EMBEDDED,
        NetworkChoice.defaults(),
        OptionalInt.empty(),
        2,
        1,
        0,
        Protocol.SMALL,
        OptionalInt.empty(),
        OptionalInt.empty(),
        OptionalInt.empty(),
        Split.NONE,
        false,
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /** Those that have nothing to do with networks. */
  Runs runs() {
    return new Runs(seeds, seed, keep, out);
  }

  /** An option without effect is a misunderstanding, and figures would be told of it. */
  static void refuse(String setting, boolean unused, String reason) {
    if (unused) {
      throw new IllegalArgumentException("--" + setting + ": " + reason + "; drop it");
    }
  }

  /** How the network takes images. */
  ImageForm form() {
    ImageForm form = choice.readsImages() ? ImageForm.PLANES : ImageForm.VECTORS;
    return form.shrunk(shrink.orElse(1));
  }

  /** The network for the data. */
  public TorchNetwork network(DataSet of) {
    return choice.build(of.name(), of.train().classes(), of.inputShape());
  }

  /**
   * The data.
   *
   * @param seed of those that are drawn
   */
  public DataSet load(long seed) throws IOException {
    return switch (data) {
      case BLOBS -> Blobs.draw(train.orElse(Blobs.TRAIN), seed);
      case EMBEDDED -> ImageFiles.embedded(form(), train);
      default -> ImageFiles.folder(Path.of(data), form(), train);
    };
  }

  /** The training samples that statistics are taken from. */
  public Examples sample(DataSet of) {
    Examples all = of.train();
    int usual = choice.readsImages() ? STATISTICS_IMAGES : all.size();
    return all.first(Math.min(all.size(), statistics.orElse(usual)));
  }

  /** Samples in the batches, and augmented, as statistics are taken. */
  public Inputs batches(Examples samples) {
    return samples.batches(
        choice.readsImages() ? IMAGE_BATCH : STATISTICS_BATCH, training().augmentation());
  }

  /** Samples, or the first of them where networks are slow and there are many passes. */
  public Examples few(Examples samples) {
    return choice.readsImages() ? samples.first(Math.min(FEW, samples.size())) : samples;
  }

  /** How each model is trained: in minutes on two cores, or as published. */
  public Trainer.Options training() {
    int usual = data.equals(BLOBS) ? 40 : choice.isConvolutional() ? 8 : 15;
    boolean vgg = choice.network().isVgg();
    Trainer.Options options;
    if (protocol == Protocol.PUBLISHED) {
      options =
          Trainer.Options.published(vgg ? Trainer.Options.VGG_RATE : Trainer.Options.RESNET_RATE);
    } else if (choice.isConvolutional()) {
      Optimizer sgd = new Optimizer.Sgd(vgg ? 0.05 : 0.1, 0.9, 5e-4);
      Schedule schedule = new Schedule(0.15, Schedule.Decay.LINEAR);
      Augmentation flip = new Augmentation(true, 0);
      options = new Trainer.Options(sgd, schedule, epochs.orElse(usual), 128, 1, 1, flip);
    } else {
      options = Trainer.Options.adamW(epochs.orElse(usual));
    }
    return augment ? options.withAugmentation(Augmentation.flipAndCrop()) : options;
  }
}
