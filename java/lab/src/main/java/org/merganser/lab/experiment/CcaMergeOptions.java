// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.plan.Catalogue;
import org.merganser.torch.training.Trainer;

/**
 * Settings of {@link CcaMergeExperiment}; made by {@link #builder}.
 *
 * @param repair whether merged models are also evaluated after repair: {@code repair} for networks
 *     without batch normalisation, the treatments for others
 * @param treatments of networks with batch normalisation, in the order of the rows
 * @param points models of the line between the first two models, 2 or more; 0 for no such lines
 */
public record CcaMergeOptions(
    ExperimentSettings settings, boolean repair, List<BatchNormTreatment> treatments, int points) {

  /** The synthetic data. */
  public static final String BLOBS = ExperimentSettings.BLOBS;

  /** The embedded images. */
  public static final String EMBEDDED = ExperimentSettings.EMBEDDED;

  public CcaMergeOptions {
    treatments = treatments.stream().distinct().toList();
    ExperimentSettings.requireAtLeast(1, "number of treatments", treatments.size());
    if (points != 0 && points < 2) {
      throw new IllegalArgumentException("points must be 0 or at least 2, not " + points);
    }
  }

  /** First seed. */
  public long seed() {
    return settings.seed();
  }

  /** How each model is trained. */
  public Trainer.Options training() {
    return settings.training();
  }

  /**
   * All aligners, no repair (else with the default treatment and {@code fold}), 11 points on a
   * line; else {@link ExperimentSettings.Builder}.
   */
  public static Builder builder(String data) {
    return new Builder(data);
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder extends ExperimentSettings.Builder<Builder> {
    private boolean repair;
    private List<BatchNormTreatment> treatments =
        List.of(BatchNormTreatment.SPREAD, BatchNormTreatment.FOLD);
    private int points = 11;

    private Builder(String data) {
      super(data, List.copyOf(Catalogue.aligners().ids()));
    }

    @Override
    Builder self() {
      return this;
    }

    public Builder repair(boolean value) {
      repair = value;
      return this;
    }

    public Builder treatments(List<BatchNormTreatment> values) {
      treatments = List.copyOf(values);
      return this;
    }

    public Builder points(int value) {
      points = value;
      return this;
    }

    public CcaMergeOptions build() {
      return new CcaMergeOptions(settings(), repair, treatments, points);
    }
  }
}
