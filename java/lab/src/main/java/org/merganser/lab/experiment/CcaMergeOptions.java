// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.nio.file.Path;
import java.util.Optional;

/**
 * Settings of {@link CcaMergeExperiment}.
 *
 * @param data {@code blobs}, {@code fashion-mnist-subset}, or a folder of IDX files
 * @param hidden width of the hidden layers
 * @param layers number of hidden layers
 * @param models models of one pair, 2 or more, all aligned to the first
 * @param pairs how many pairs, each with its own seeds
 * @param seed first seed: pair I has the models of seeds {@code seed + I ... seed + I + models - 1}
 * @param epochs of training
 * @param train training samples, from the first
 * @param gamma relative regulariser of CCA
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
    int train,
    double gamma,
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
    require(train >= 2, "train", train, 2);
    if (!(gamma >= 0) || Double.isInfinite(gamma)) {
      throw new IllegalArgumentException("gamma must be finite and at least 0, not " + gamma);
    }
  }

  private static void require(boolean holds, String name, long value, long least) {
    if (!holds) {
      throw new IllegalArgumentException(name + " must be at least " + least + ", not " + value);
    }
  }
}
