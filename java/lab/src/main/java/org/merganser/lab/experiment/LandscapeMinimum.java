// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;
import org.merganser.torch.Augmentation;

/** How a network is trained whose landscape is looked at, from what generalises best on. */
public enum LandscapeMinimum {
  /** With weight decay, images mirrored and cropped at random. */
  WD_AUG(true, true, 0),
  /** With weight decay. */
  WD(true, false, 0),
  /** With neither. */
  NONE(false, false, 0),
  /** With neither, on labels of which half are drawn at random. */
  LABELS_50(false, false, 0.5),
  /** With neither, on labels that are all drawn at random: they can be memorised only. */
  LABELS_100(false, false, 1);

  private final boolean decays;
  private final boolean augments;
  private final double random;

  LandscapeMinimum(boolean decays, boolean augments, double random) {
    this.decays = decays;
    this.augments = augments;
    this.random = random;
  }

  /** As on the command line and in results. */
  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** In words. */
  String meaning() {
    String labels =
        random == 0 ? "" : ", %.0f %% of the training labels random".formatted(100 * random);
    return (decays ? "weight decay" : "no weight decay")
        + (augments ? ", images flipped and cropped" : ", images as they are")
        + labels;
  }

  /** Probability of a training label to be drawn anew. */
  double random() {
    return random;
  }

  double weightDecay(LandscapeExperiment.Options options) {
    return decays ? options.weightDecay() : 0;
  }

  Augmentation augmentation(LandscapeExperiment.Options options) {
    return augments ? new Augmentation(true, options.padding()) : Augmentation.NONE;
  }
}
