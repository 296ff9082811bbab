// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import org.merganser.lab.data.DataSet;
import org.merganser.method.Setting;
import org.merganser.torch.Examples;
import org.merganser.torch.objective.TorchObjective;

/** The samples that NP Merge and fine-tuning learn from. */
public record LearningOptions(
    @Setting(value = "samples of one step", min = 1) int batch,
    @Setting(
            value =
                "part of the training samples that steps do not see and stopping is decided by; 0"
                    + " for no stopping",
            min = 0,
            below = 1)
        double heldOut,
    @Setting(
            value =
                "training samples that NP Merge and fine-tuning see, drawn at random; all that are"
                    + " used unless set",
            min = 2)
        OptionalInt npTrain,
    @Setting(
            "numbers of training samples of a curve; 0 for none; 128,512,2048 for mlp as far as"
                + " there are as many, none for the others unless set")
        List<Integer> samples) {
  private static final List<Integer> USUAL_SAMPLES = List.of(128, 512, 2048);

  public LearningOptions {
    samples = List.copyOf(samples);
    if (!samples.equals(List.of(0)) && samples.stream().anyMatch(n -> n < 2)) {
      throw new IllegalArgumentException(
          "samples must be at least 2, not " + Collections.min(samples));
    }
  }

  /** Batches of 128, a tenth held out. */
  public static LearningOptions defaults() {
    return new LearningOptions(128, 0.1, OptionalInt.empty(), List.of());
  }

  TorchObjective objective(Pair pair, Examples from, double held) {
    return TorchObjective.of(
        pair.network(),
        from,
        TorchObjective.Options.defaults()
            .withHeldOut(held)
            .withBatchSize(batch)
            .withAugmentation(pair.options().training().augmentation()));
  }

  /** Throws when more samples are asked for than there are. */
  void check(DataSet data) {
    requireAvailable("np-train", npTrain.orElse(2), data.train().size());
    samples.forEach(n -> requireAvailable("samples", n, data.train().size()));
  }

  private static void requireAvailable(String name, int count, int available) {
    if (count > available) {
      throw new IllegalArgumentException(
          ("%s must be at most %d, the number of training samples used, not %d; train says how many"
                  + " are used")
              .formatted(name, available, count));
    }
  }

  /** Numbers of samples of the curve, increasing, when there are so many in all. */
  List<Integer> counts(ExperimentOptions options, int available) {
    List<Integer> usual = options.choice().readsImages() ? List.of() : USUAL_SAMPLES;
    return (samples.isEmpty() ? usual : samples)
        .stream().filter(n -> n > 0).map(n -> Math.min(n, available)).distinct().sorted().toList();
  }
}
