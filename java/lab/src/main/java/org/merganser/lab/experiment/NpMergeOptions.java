// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.merge.NpMerger;
import org.merganser.torch.objective.FineTuning;

/**
 * Settings of {@link NpMergeExperiment}; made by {@link #builder}.
 *
 * @param np of NP Merge; fine-tuning has its steps, evaluations and stopping too
 * @param batch samples of one step
 * @param heldOut part of the samples that steps do not see and stopping is decided by; 0 for
 *     neither
 * @param npTrain training samples that NP Merge and fine-tuning see, drawn at random; empty for all
 * @param samples numbers of training samples of the curve; empty for 128, 512 and 2048 as far as
 *     there are as many, or none for a convolutional network
 */
public record NpMergeOptions(
    ExperimentSettings settings,
    NpMerger.Options np,
    int batch,
    double heldOut,
    OptionalInt npTrain,
    Optional<List<Integer>> samples) {

  private static final int MOST_MODELS = 8;
  private static final List<Integer> USUAL_SAMPLES = List.of(128, 512, 2048);

  public NpMergeOptions {
    samples = samples.map(List::copyOf);
    ExperimentSettings.requireAtLeast(1, "batch", batch);
    if (!(heldOut >= 0 && heldOut < 1)) {
      throw new IllegalArgumentException("the held-out part must be in [0, 1), not " + heldOut);
    }
    if (settings.models() > MOST_MODELS) {
      throw new IllegalArgumentException(
          "models must be at most "
              + MOST_MODELS
              + " to be merged jointly, not "
              + settings.models());
    }
    if (settings.aligners().stream().distinct().count() < settings.aligners().size()) {
      throw new IllegalArgumentException(
          "an aligner is there twice in " + settings.aligners() + "; name each once");
    }
    if (settings.gammas().size() > 1) {
      throw new IllegalArgumentException(
          "np-merge takes one gamma, not "
              + settings.gammas()
              + "; cca-merge chooses among several");
    }
    ExperimentSettings.requireAtLeast(2, "np-train", npTrain.orElse(2));
    samples.orElse(List.of()).forEach(n -> ExperimentSettings.requireAtLeast(2, "samples", n));
  }

  /** How the average is trained on, to compare with. */
  public FineTuning.Options fineTuning() {
    return FineTuning.Options.adam(np.steps(), np.evalEvery(), np.patience());
  }

  /** The aligner whose average {@code finetuned-average} begins with: CCA, else the last. */
  public String fineTuned() {
    List<String> ids = settings.aligners();
    return ids.contains("cca") ? "cca" : ids.get(ids.size() - 1);
  }

  /** The aligner of the curve over numbers of samples: permutation, else the first. */
  public String sampled() {
    List<String> ids = settings.aligners();
    return ids.contains("permutation") ? "permutation" : ids.get(0);
  }

  /** Numbers of samples of the curve, increasing, when there are so many in all. */
  List<Integer> sampleCounts(int available) {
    List<Integer> usual = settings.network().isConvolutional() ? List.of() : USUAL_SAMPLES;
    return samples.orElse(usual).stream()
        .map(n -> Math.min(n, available))
        .distinct()
        .sorted()
        .toList();
  }

  /** Throws when more samples are asked for than there are. */
  void checkSamples(int available) {
    requireAvailable("np-train", npTrain.orElse(2), available);
    samples.orElse(List.of()).forEach(n -> requireAvailable("samples", n, available));
  }

  private static void requireAvailable(String name, int count, int available) {
    if (count > available) {
      throw new IllegalArgumentException(
          name
              + " must be at most "
              + available
              + ", the number of training samples used, not "
              + count
              + "; train says how many are used");
    }
  }

  /**
   * Identity, permutation and CCA; {@link NpMerger.Options#defaults}, batches of 128, a tenth held
   * out, all training samples; else {@link ExperimentSettings.Builder}.
   */
  public static Builder builder(String data) {
    return new Builder(data);
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder extends ExperimentSettings.Builder<Builder> {
    private NpMerger.Options np = NpMerger.Options.defaults();
    private int batch = 128;
    private double heldOut = 0.1;
    private OptionalInt npTrain = OptionalInt.empty();
    private Optional<List<Integer>> samples = Optional.empty();

    private Builder(String data) {
      super(data, List.of("identity", "permutation", "cca"));
    }

    @Override
    Builder self() {
      return this;
    }

    public Builder np(NpMerger.Options value) {
      np = value;
      return this;
    }

    public Builder batch(int value) {
      batch = value;
      return this;
    }

    public Builder heldOut(double value) {
      heldOut = value;
      return this;
    }

    public Builder npTrain(int value) {
      npTrain = OptionalInt.of(value);
      return this;
    }

    /** None for no curve. */
    public Builder samples(List<Integer> values) {
      samples = Optional.of(values);
      return this;
    }

    public NpMergeOptions build() {
      return new NpMergeOptions(settings(), np, batch, heldOut, npTrain, samples);
    }
  }
}
