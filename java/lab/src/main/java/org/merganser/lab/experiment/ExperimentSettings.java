// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.ImageForm;
import org.merganser.lab.data.Split;
import org.merganser.plan.Catalogue;
import org.merganser.torch.Augmentation;
import org.merganser.torch.training.Trainer;

/**
 * Settings that every experiment on pairs of trained models has: what is trained on what, and how
 * the models are aligned.
 *
 * @param data {@code blobs}, {@code fashion-mnist-subset}, or a folder of images
 * @param network what is trained
 * @param shrink images are averaged over so many by so many pixels; 1: as they are
 * @param models models of one pair, 2 or more, all aligned to the first
 * @param pairs how many pairs, each with its own seeds
 * @param seed first seed: model k of pair I has seed {@code seed + I models + k}, so that pairs
 *     share no model
 * @param epochs of training
 * @param published whether to train by the published protocol instead, epochs and all
 * @param train training samples, from the first; empty for 6000, or all when there are fewer
 * @param statistics training samples that statistics are taken from, from the first; empty for all,
 *     or 4000 for a convolutional network
 * @param aligners ids of the methods, in the order of the table
 * @param gammas relative regulariser of CCA; of several each pair takes the one that is best on the
 *     validation samples
 * @param split which training samples each model sees
 * @param augmentation of the training samples
 * @param cache folder of trained models, which are then not trained again
 * @param keep folder for models, statistics and merged models
 */
public record ExperimentSettings(
    String data,
    NetworkChoice network,
    int shrink,
    int models,
    int pairs,
    long seed,
    int epochs,
    boolean published,
    OptionalInt train,
    OptionalInt statistics,
    List<String> aligners,
    List<Double> gammas,
    Split split,
    Augmentation augmentation,
    Optional<Path> cache,
    Optional<Path> keep) {

  /** The synthetic data. */
  public static final String BLOBS = "blobs";

  /** The embedded images. */
  public static final String EMBEDDED = "fashion-mnist-subset";

  public ExperimentSettings {
    aligners = List.copyOf(aligners);
    requireAtLeast(1, "number of aligners", aligners.size());
    aligners.forEach(Catalogue::aligner);
    requireAtLeast(2, "statistics", statistics.orElse(2));
    requireAtLeast(1, "shrink", shrink);
    requireAtLeast(2, "models", models);
    requireAtLeast(1, "seeds", pairs);
    requireAtLeast(1, "epochs", epochs);
    requireAtLeast(2, "train", train.orElse(2));
    gammas = gammas.stream().distinct().toList();
    requireAtLeast(1, "number of values of gamma", gammas.size());
    for (double gamma : gammas) {
      if (!(gamma >= 0) || Double.isInfinite(gamma)) {
        throw new IllegalArgumentException("gamma must be finite and at least 0, not " + gamma);
      }
    }
    if (split == Split.EIGHTY_TWENTY) {
      split.check(models, Integer.MAX_VALUE);
    }
  }

  static void requireAtLeast(long least, String name, long value) {
    if (value < least) {
      throw new IllegalArgumentException(name + " must be at least " + least + ", not " + value);
    }
  }

  /** How it takes images. */
  ImageForm form() {
    return network.form().shrunk(shrink);
  }

  /** How each model is trained. */
  public Trainer.Options training() {
    Trainer.Options options = published ? network.published() : network.training(epochs);
    return augmentation.isNone() ? options : options.withAugmentation(augmentation);
  }

  /**
   * Collects settings; builders of experiments add their own.
   *
   * <p>A perceptron with two hidden layers of 32, one pair of models from seed 0, 15 epochs (blobs:
   * 40, convolutional networks: 8), relative gamma 1, all samples for every model, no augmentation
   * beyond what the network is trained with, no cache.
   *
   * @param <B> the builder itself
   */
  public abstract static class Builder<B extends Builder<B>> {
    private final String data;
    private NetworkChoice network = NetworkChoice.mlp(32, 2);
    private int shrink = 1;
    private int models = 2;
    private int pairs = 1;
    private long seed;
    private OptionalInt epochs = OptionalInt.empty();
    private boolean published;
    private OptionalInt train = OptionalInt.empty();
    private OptionalInt statistics = OptionalInt.empty();
    private List<String> aligners;
    private List<Double> gammas = List.of(1.0);
    private Split split = Split.NONE;
    private Augmentation augmentation = Augmentation.NONE;
    private Optional<Path> cache = Optional.empty();
    private Optional<Path> keep = Optional.empty();

    Builder(String data, List<String> aligners) {
      this.data = data;
      this.aligners = aligners;
    }

    abstract B self();

    public B network(NetworkChoice value) {
      network = value;
      return self();
    }

    /** A perceptron with hidden layers of this width. */
    public B hidden(int value) {
      network = NetworkChoice.mlp(value, network.layers());
      return self();
    }

    /** A perceptron with this many hidden layers. */
    public B layers(int value) {
      network = NetworkChoice.mlp(network.hidden(), value);
      return self();
    }

    public B shrink(int value) {
      shrink = value;
      return self();
    }

    public B published(boolean value) {
      published = value;
      return self();
    }

    public B statistics(int value) {
      statistics = OptionalInt.of(value);
      return self();
    }

    public B aligners(List<String> ids) {
      aligners = List.copyOf(ids);
      return self();
    }

    public B models(int value) {
      models = value;
      return self();
    }

    public B pairs(int value) {
      pairs = value;
      return self();
    }

    public B seed(long value) {
      seed = value;
      return self();
    }

    public B epochs(int value) {
      epochs = OptionalInt.of(value);
      return self();
    }

    public B train(int value) {
      train = OptionalInt.of(value);
      return self();
    }

    public B gamma(double value) {
      return gammas(List.of(value));
    }

    /** Several to choose from. */
    public B gammas(List<Double> values) {
      gammas = List.copyOf(values);
      return self();
    }

    public B split(Split value) {
      split = value;
      return self();
    }

    public B augmentation(Augmentation value) {
      augmentation = value;
      return self();
    }

    public B cache(Path value) {
      cache = Optional.of(value);
      return self();
    }

    public B keep(Path value) {
      keep = Optional.of(value);
      return self();
    }

    ExperimentSettings settings() {
      int usual = data.equals(BLOBS) ? 40 : network.isConvolutional() ? 8 : 15;
      return new ExperimentSettings(
          data,
          network,
          shrink,
          models,
          pairs,
          seed,
          published ? network.published().epochs() : epochs.orElse(usual),
          published,
          train,
          statistics,
          aligners,
          gammas,
          split,
          augmentation,
          cache,
          keep);
    }
  }
}
