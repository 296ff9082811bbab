// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.Split;
import org.merganser.torch.Augmentation;

/**
 * Settings of {@link CcaMergeExperiment}; made by {@link #builder}.
 *
 * @param data {@code blobs}, {@code fashion-mnist-subset}, or a folder of images
 * @param hidden width of the hidden layers
 * @param layers number of hidden layers
 * @param models models of one pair, 2 or more, all aligned to the first
 * @param pairs how many pairs, each with its own seeds
 * @param seed first seed: pair I has the models of seeds {@code seed + I ... seed + I + models - 1}
 * @param epochs of training
 * @param train training samples, from the first; empty for 6000, or all when there are fewer
 * @param gamma relative regulariser of CCA
 * @param split which training samples each model sees
 * @param augmentation of the training samples
 * @param points models of the line between the first two models, 2 or more; 0 for no such lines
 * @param cache folder of trained models, which are then not trained again
 * @param keep folder for models, statistics and merged models
 */
public record CcaMergeOptions(
    String data,
    int hidden,
    int layers,
    int models,
    int pairs,
    long seed,
    int epochs,
    OptionalInt train,
    double gamma,
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
    require(hidden >= 1, "hidden", hidden, 1);
    require(layers >= 1, "layers", layers, 1);
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

  /**
   * Two hidden layers of 32, one pair of models from seed 0, 15 epochs (blobs: 40), relative gamma
   * 1, all samples for every model, no augmentation, 11 points on a line, no cache.
   */
  public static Builder builder(String data) {
    return new Builder(data);
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder {
    private final String data;
    private int hidden = 32;
    private int layers = 2;
    private int models = 2;
    private int pairs = 1;
    private long seed;
    private int epochs;
    private OptionalInt train = OptionalInt.empty();
    private double gamma = 1;
    private Split split = Split.NONE;
    private Augmentation augmentation = Augmentation.NONE;
    private int points = 11;
    private Optional<Path> cache = Optional.empty();
    private Optional<Path> keep = Optional.empty();

    private Builder(String data) {
      this.data = data;
      this.epochs = data.equals(BLOBS) ? 40 : 15;
    }

    public Builder hidden(int value) {
      hidden = value;
      return this;
    }

    public Builder layers(int value) {
      layers = value;
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
      epochs = value;
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
      return new CcaMergeOptions(
          data,
          hidden,
          layers,
          models,
          pairs,
          seed,
          epochs,
          train,
          gamma,
          split,
          augmentation,
          points,
          cache,
          keep);
    }
  }
}
