// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.Split;
import org.merganser.plan.Catalogue;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Trainer;

/**
 * Settings of {@link CcaMergeExperiment}; made by {@link #builder}.
 *
 * @param data {@code blobs}, {@code fashion-mnist-subset}, or a folder of images
 * @param network what is trained
 * @param models models of one pair, 2 or more, all aligned to the first
 * @param pairs how many pairs, each with its own seeds
 * @param seed first seed: pair I has the models of seeds {@code seed + I ... seed + I + models - 1}
 * @param epochs of training
 * @param published whether to train by the published protocol instead, epochs and all
 * @param train training samples, from the first; empty for 6000, or all when there are fewer
 * @param statistics training samples that statistics are taken from, from the first; empty for all,
 *     or 4000 for a convolutional network
 * @param aligners ids of the methods, in the order of the table
 * @param gamma relative regulariser of CCA
 * @param repair whether merged models are also evaluated after repair: {@code bn-reset} for
 *     networks with batch normalisation, {@code repair} for others
 * @param split which training samples each model sees
 * @param augmentation of the training samples
 * @param points models of the line between the first two models, 2 or more; 0 for no such lines
 * @param cache folder of trained models, which are then not trained again
 * @param keep folder for models, statistics and merged models
 */
public record CcaMergeOptions(
    String data,
    NetworkChoice network,
    int models,
    int pairs,
    long seed,
    int epochs,
    boolean published,
    OptionalInt train,
    OptionalInt statistics,
    List<String> aligners,
    double gamma,
    boolean repair,
    Split split,
    Augmentation augmentation,
    int points,
    Optional<Path> cache,
    Optional<Path> keep) {

  /** The synthetic task. */
  public static final String BLOBS = "blobs";

  /** The embedded images. */
  public static final String EMBEDDED = "fashion-mnist-subset";

  public CcaMergeOptions {
    aligners = List.copyOf(aligners);
    require(!aligners.isEmpty(), "number of aligners", 0, 1);
    aligners.forEach(Catalogue::aligner);
    require(statistics.orElse(2) >= 2, "statistics", statistics.orElse(2), 2);
    require(models >= 2, "models", models, 2);
    require(pairs >= 1, "seeds", pairs, 1);
    require(epochs >= 1, "epochs", epochs, 1);
    require(train.orElse(2) >= 2, "train", train.orElse(2), 2);
    if (!(gamma >= 0) || Double.isInfinite(gamma)) {
      throw new IllegalArgumentException("gamma must be finite and at least 0, not " + gamma);
    }
    if (points != 0 && points < 2) {
      throw new IllegalArgumentException("points must be 0 or at least 2, not " + points);
    }
    if (split == Split.EIGHTY_TWENTY) {
      split.check(models, Integer.MAX_VALUE);
    }
  }

  private static void require(boolean holds, String name, long value, long least) {
    if (!holds) {
      throw new IllegalArgumentException(name + " must be at least " + least + ", not " + value);
    }
  }

  /** How each model is trained. */
  public Trainer.Options training() {
    Trainer.Options options = published ? network.published() : network.training(epochs);
    return augmentation.isNone() ? options : options.withAugmentation(augmentation);
  }

  /**
   * A perceptron with two hidden layers of 32, one pair of models from seed 0, 15 epochs (blobs:
   * 40, convolutional networks: 8), all aligners, relative gamma 1, no repair, all samples for
   * every model, no augmentation beyond what the network is trained with, 11 points on a line, no
   * cache.
   */
  public static Builder builder(String data) {
    return new Builder(data);
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder {
    private final String data;
    private NetworkChoice network = NetworkChoice.mlp(32, 2);
    private int models = 2;
    private int pairs = 1;
    private long seed;
    private OptionalInt epochs = OptionalInt.empty();
    private boolean published;
    private OptionalInt train = OptionalInt.empty();
    private OptionalInt statistics = OptionalInt.empty();
    private List<String> aligners = List.copyOf(Catalogue.aligners().keySet());
    private boolean repair;
    private double gamma = 1;
    private Split split = Split.NONE;
    private Augmentation augmentation = Augmentation.NONE;
    private int points = 11;
    private Optional<Path> cache = Optional.empty();
    private Optional<Path> keep = Optional.empty();

    private Builder(String data) {
      this.data = data;
    }

    public Builder network(NetworkChoice value) {
      network = value;
      return this;
    }

    /** A perceptron with hidden layers of this width. */
    public Builder hidden(int value) {
      network = NetworkChoice.mlp(value, network.layers());
      return this;
    }

    /** A perceptron with this many hidden layers. */
    public Builder layers(int value) {
      network = NetworkChoice.mlp(network.hidden(), value);
      return this;
    }

    public Builder published(boolean value) {
      published = value;
      return this;
    }

    public Builder statistics(int value) {
      statistics = OptionalInt.of(value);
      return this;
    }

    public Builder aligners(List<String> ids) {
      aligners = List.copyOf(ids);
      return this;
    }

    public Builder repair(boolean value) {
      repair = value;
      return this;
    }

    public Builder models(int value) {
      models = value;
      return this;
    }

    public Builder pairs(int value) {
      pairs = value;
      return this;
    }

    public Builder seed(long value) {
      seed = value;
      return this;
    }

    public Builder epochs(int value) {
      epochs = OptionalInt.of(value);
      return this;
    }

    public Builder train(int value) {
      train = OptionalInt.of(value);
      return this;
    }

    public Builder gamma(double value) {
      gamma = value;
      return this;
    }

    public Builder split(Split value) {
      split = value;
      return this;
    }

    public Builder augmentation(Augmentation value) {
      augmentation = value;
      return this;
    }

    public Builder points(int value) {
      points = value;
      return this;
    }

    public Builder cache(Path value) {
      cache = Optional.of(value);
      return this;
    }

    public Builder keep(Path value) {
      keep = Optional.of(value);
      return this;
    }

    public CcaMergeOptions build() {
      int usual = data.equals(BLOBS) ? 40 : network.isConvolutional() ? 8 : 15;
      return new CcaMergeOptions(
          data,
          network,
          models,
          pairs,
          seed,
          published ? network.published().epochs() : epochs.orElse(usual),
          published,
          train,
          statistics,
          aligners,
          gamma,
          repair,
          split,
          augmentation,
          points,
          cache,
          keep);
    }
  }
}
