// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.Augmentation;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;

/**
 * How experts are trained.
 *
 * @param schedule of the learning rate, over all steps
 * @param steps of a batch, at most
 * @param kept steps after which the expert is kept, each once and in order, from 1 to {@code
 *     steps}; may be none with a policy of stopping
 * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
 * @param augmentation of training samples
 * @param frozen parameters, or layers, that stay as they are. Running statistics are no parameters:
 *     without adapters those of frozen normalisations follow the batches like all others
 * @param lora adapters; empty to train the parameters themselves
 * @param stopping when to lower the learning rate, and to end; empty for all steps. What it says of
 *     the rate multiplies the schedule
 * @param watched steps after which the outputs for watched samples are kept, in order, from 0 (the
 *     base) to {@code steps}
 */
public record ExpertOptions(
    Optimizer optimizer,
    Schedule schedule,
    long steps,
    List<Long> kept,
    int batchSize,
    double clipNorm,
    Augmentation augmentation,
    List<String> frozen,
    Optional<LoraOptions> lora,
    Optional<EarlyStopping.Policy> stopping,
    List<Long> watched) {

  public ExpertOptions {
    kept = List.copyOf(kept);
    frozen = List.copyOf(frozen);
    watched = List.copyOf(watched);
    if (steps < 1 || batchSize < 1 || !(clipNorm > 0)) {
      throw new IllegalArgumentException(
          "steps, batch size and clip norm must be positive, not "
              + steps
              + ", "
              + batchSize
              + " and "
              + clipNorm);
    }
    requireSteps("kept", kept, 1, steps);
    requireSteps("watched", watched, 0, steps);
    if (kept.isEmpty() && stopping.isEmpty()) {
      throw new IllegalArgumentException(
          "nothing is kept: name steps after which experts are, or a policy of stopping");
    }
  }

  private static void requireSteps(String what, List<Long> steps, long first, long last) {
    if (!List.copyOf(new TreeSet<>(steps)).equals(steps)
        || steps.stream().anyMatch(step -> step < first || step > last)) {
      throw new IllegalArgumentException(
          what + " steps must be from " + first + " to " + last + ", in order, not " + steps);
    }
  }

  /** Adam (AdamW without decay) along half a cosine, batches of 64; kept after the last step. */
  public static ExpertOptions adam(double learningRate, long steps) {
    return new ExpertOptions(
        new Optimizer.AdamW(learningRate, 0),
        new Schedule(0, Schedule.Decay.COSINE),
        steps,
        List.of(steps),
        64,
        Double.POSITIVE_INFINITY,
        Augmentation.NONE,
        List.of(),
        Optional.empty(),
        Optional.empty(),
        List.of());
  }

  /** {@code first}, twice that, and so on, up to {@code last}. */
  public static long[] doubling(long first, long last) {
    if (first < 1) {
      throw new IllegalArgumentException("a grid of steps begins at 1 or more, not at " + first);
    }
    List<Long> grid = new ArrayList<>();
    for (long step = first; step <= last && step > 0; step *= 2) {
      grid.add(step);
    }
    return grid.stream().mapToLong(Long::longValue).toArray();
  }

  public ExpertOptions withOptimizer(Optimizer value) {
    return Settings.with(this, "optimizer", value);
  }

  public ExpertOptions withSchedule(Schedule value) {
    return Settings.with(this, "schedule", value);
  }

  /** These, of so many steps; those that are kept must be among them. */
  public ExpertOptions withSteps(long value) {
    return Settings.with(this, "steps", value);
  }

  /** These, with the expert kept after other steps. */
  public ExpertOptions withKept(long... after) {
    return Settings.with(this, "kept", LongStream.of(after).boxed().toList());
  }

  /** These, with another number of samples in each step. */
  public ExpertOptions withBatchSize(int value) {
    return Settings.with(this, "batchSize", value);
  }

  public ExpertOptions withClipNorm(double value) {
    return Settings.with(this, "clipNorm", value);
  }

  public ExpertOptions withAugmentation(Augmentation value) {
    return Settings.with(this, "augmentation", value);
  }

  /** These, with some parameters or layers left as they are. */
  public ExpertOptions withFrozen(String... names) {
    return Settings.with(this, "frozen", List.of(names));
  }

  /** These, by adapters. */
  public ExpertOptions withLora(LoraOptions value) {
    return Settings.with(this, "lora", Optional.of(value));
  }

  /** These, stopped by held-out data; the schedule becomes constant but for what that says. */
  public ExpertOptions withStopping(EarlyStopping.Policy policy) {
    ExpertOptions constant = withSchedule(new Schedule(0, Schedule.Decay.CONSTANT));
    return Settings.with(constant, "stopping", Optional.of(policy));
  }

  /** These, with outputs for watched samples kept after some steps. */
  public ExpertOptions withWatched(long... after) {
    return Settings.with(this, "watched", LongStream.of(after).boxed().toList());
  }
}
