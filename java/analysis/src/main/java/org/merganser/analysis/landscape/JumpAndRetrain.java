// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Digests;
import org.merganser.torch.internal.session.Recipe;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.SideBySide;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/**
 * Samples the landscape around a minimum theta* where training goes: from
 *
 * <pre>
 *   theta_0(s, a) = theta* + a d(s)
 * </pre>
 *
 * <p>with d the {@link Direction} of seed s, it is trained again by a fresh optimiser, and saved
 * after every epoch; epoch 0 is the jumped point before any step. Every pair (s, a) is a trajectory
 * of its own, trained with one libtorch thread in an order of batches that depends on s alone, so
 * the samples depend neither on how many run at once nor on interruptions.
 *
 * <p>Rows of the store are {@code theta - theta*} in F32; the table has seed, alpha, epoch (counted
 * in parts between saves), step, mean cross-entropy and accuracy on training, held-out and test
 * samples, all in evaluation mode and without augmentation, the distance from theta*, and the
 * cosine to the direction (NaN at theta* itself).
 *
 * <p>Running statistics of normalisations are no part of theta: they start as those of theta*, or
 * are taken anew after the jump, and follow the batches in training.
 *
 * <p>Source: Horoi et al. 2022, "Exploring the Geometry and Topology of Neural Network Loss
 * Landscapes" (arXiv 2102.00485).
 *
 * @param minimum theta*
 * @param train what theta* was trained on; a part of it is held out, by {@link Config#heldOut}
 * @param test samples that theta* has not seen
 */
public record JumpAndRetrain(
    TorchNetwork network, Checkpoint minimum, Examples train, Examples test, Config config) {
  /** Of the shuffle that says which samples are held out. */
  private static final long HELD_OUT_SEED = 4;

  /**
   * Settings.
   *
   * @param seeds of the directions, each different
   * @param steps alpha of the jumps, each different and at least 0
   * @param epochs of training after a jump
   * @param savesPerEpoch m: saved every ceil(batches / m) batches and at the end of an epoch
   * @param optimizer its learning rate is constant
   * @param augmentation that of the training of theta*
   * @param heldOut part of the training samples that is left out, in [0, 1)
   */
  public record Config(
      List<Long> seeds,
      List<Double> steps,
      int epochs,
      int savesPerEpoch,
      Optimizer.Sgd optimizer,
      int batchSize,
      Augmentation augmentation,
      double heldOut,
      Norm norm,
      OneDimensional oneDimensional,
      Statistics statistics) {
    public Config {
      seeds = List.copyOf(seeds);
      steps = List.copyOf(steps);
      requireDistinct("seeds", seeds);
      requireDistinct("steps", steps);
      for (double step : steps) {
        if (!(step >= 0 && step < Double.POSITIVE_INFINITY)) {
          throw new IllegalArgumentException("steps are at least 0 and finite, not " + step);
        }
      }
      if (epochs < 1 || savesPerEpoch < 1 || batchSize < 1 || !(heldOut >= 0 && heldOut < 1)) {
        throw new IllegalArgumentException(
            ("epochs, saves per epoch and batch size must be at least 1, held out in [0, 1), not"
                    + " %d, %d, %d and %s")
                .formatted(epochs, savesPerEpoch, batchSize, heldOut));
      }
    }

    private static void requireDistinct(String what, List<?> values) {
      if (values.isEmpty() || Set.copyOf(values).size() < values.size()) {
        throw new IllegalArgumentException(
            "jumps need one or more %s, each different, not %s".formatted(what, values));
      }
    }

    /**
     * Those of the paper's code: seeds 0 to 3, steps 0.25, 0.5, 0.75 and 1, 40 epochs of SGD 0.001
     * with momentum 0.9 in batches of 128, a tenth held out, filters normalised, biases and
     * normalisations left alone, running statistics kept.
     *
     * @param weightDecay that of the training of theta*
     * @param augmentation likewise
     */
    public static Config published(double weightDecay, Augmentation augmentation) {
      return new Config(
          List.of(0L, 1L, 2L, 3L),
          List.of(0.25, 0.5, 0.75, 1.0),
          40,
          1,
          new Optimizer.Sgd(0.001, 0.9, weightDecay),
          128,
          augmentation,
          0.1,
          Norm.FILTER,
          OneDimensional.IGNORE,
          Statistics.KEPT);
    }

    /** The same with other jumps and another number of epochs. */
    public Config withJumps(List<Long> otherSeeds, List<Double> otherSteps, int otherEpochs) {
      return new Config(
          otherSeeds,
          otherSteps,
          otherEpochs,
          savesPerEpoch,
          optimizer,
          batchSize,
          augmentation,
          heldOut,
          norm,
          oneDimensional,
          statistics);
    }

    /** The same with other running statistics. */
    public Config withStatistics(Statistics other) {
      return new Config(
          seeds,
          steps,
          epochs,
          savesPerEpoch,
          optimizer,
          batchSize,
          augmentation,
          heldOut,
          norm,
          oneDimensional,
          other);
    }

    /** The same, saved more often. */
    public Config withSavesPerEpoch(int saves) {
      return new Config(
          seeds,
          steps,
          epochs,
          saves,
          optimizer,
          batchSize,
          augmentation,
          heldOut,
          norm,
          oneDimensional,
          statistics);
    }
  }

  /** Losses and accuracies of a model; held out is NaN where nothing is. */
  public record Losses(Evaluation train, Evaluation heldOut, Evaluation test) {}

  /**
   * Samples all that lacks in a folder, and opens it.
   *
   * @param folder made when it is not there
   * @return complete; the caller closes it
   * @throws org.merganser.error.IncompatibleModelsException when theta* does not fit the network
   * @throws org.merganser.error.FormatException when the folder has other samples
   * @throws NumericalException when theta* is not finite, or training from a point diverges
   */
  public SampleStore run(Path folder, Workspace ws) throws IOException {
    check();
    try (Opened opened = new Opened();
        Split split = split()) {
      ParamLayout layout = ParamLayout.of(network);
      Sampling sampling = new Sampling(this, layout, layout.read(minimum, ws), split);
      SampleStore store =
          opened.add(SampleStore.open(folder, plan(layout, Recipe.machine(ws), ws)));
      List<SideBySide.Job<Boolean>> jobs = new ArrayList<>();
      List<Long> seeds = new ArrayList<>();
      for (int trajectory : store.missing()) {
        long seed = config.seeds().get(trajectory / config.steps().size());
        double step = config.steps().get(trajectory % config.steps().size());
        seeds.add(seed);
        jobs.add(own -> sampling.run(store, trajectory, seed, step, own));
      }
      new SideBySide(ws, config.epochs()).all("jump and retrain", seeds, jobs);
      opened.release();
      return store;
    }
  }

  /** What the samples of the store are compared with: losses of theta* itself on the same data. */
  public Losses losses(Workspace ws) throws IOException {
    check();
    try (Split split = split()) {
      return split.losses(network, minimum, test, ws);
    }
  }

  private void check() {
    network.require("the minimum", minimum);
    network.checkInputs(train.inputs());
    network.checkInputs(test.inputs());
    config.augmentation().check(train.inputs().shape());
    if (train.classes() != network.outputs() || test.classes() != network.outputs()) {
      throw new IllegalArgumentException(
          "the network has %d outputs, the training samples %d classes and the test samples %d"
              .formatted(network.outputs(), train.classes(), test.classes()));
    }
    if (config.heldOut() > 0 && train.size() < 2) {
      throw new IllegalArgumentException("1 training sample, of which none can be held out");
    }
    if (config.statistics() == Statistics.RECALIBRATED) {
      new BatchNormReset().check(network);
    }
  }

  private Split split() {
    if (config.heldOut() == 0) {
      return new Split(train, null);
    }
    Samples.Split parts = Samples.split(train, config.heldOut(), HELD_OUT_SEED);
    try (Opened opened = new Opened()) {
      Examples seen = opened.add(train.select(parts.train().range(0, parts.train().size())));
      Examples held = train.select(parts.heldOut().range(0, parts.heldOut().size()));
      opened.release();
      return new Split(seen, held);
    }
  }

  /** Training samples that a step sees, and others or null. */
  record Split(Examples seen, Examples heldOut) implements AutoCloseable {
    Losses losses(TorchNetwork network, Checkpoint model, Examples test, Workspace ws)
        throws IOException {
      return new Losses(
          Evaluation.of(network, model, seen, ws),
          heldOut == null
              ? new Evaluation(Double.NaN, Double.NaN)
              : Evaluation.of(network, model, heldOut, ws),
          Evaluation.of(network, model, test, ws));
    }

    @Override
    public void close() {
      // Without anything held out they are the caller's.
      if (heldOut != null) {
        seen.close();
        heldOut.close();
      }
    }
  }

  /**
   * @param machine {@link Recipe#machine}: trajectories of two are not of one table
   */
  SamplePlan plan(ParamLayout layout, String machine, Workspace ws) throws IOException {
    List<String> trajectories = new ArrayList<>();
    for (long seed : config.seeds()) {
      for (double step : config.steps()) {
        trajectories.add("seed" + seed + "-alpha" + step);
      }
    }
    Map<String, Object> parts = new LinkedHashMap<>();
    try (MemoryCheckpoint theta = MemoryCheckpoint.copyOf(minimum, ws)) {
      Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
      for (String name : new TreeSet<>(theta.tensors().keySet())) {
        tensors.put(name, theta.tensor(name));
      }
      parts.put("minimum sha256", Digests.of(tensors, ""));
    }
    parts.put("training samples sha256", train.digest());
    parts.put("test samples sha256", test.digest());
    parts.put("settings", config);
    parts.put("machine", machine);
    return new SamplePlan(
        layout.size(),
        Sampling.COLUMNS,
        trajectories,
        1 + config.epochs() * Sampling.saves(batches(), config.savesPerEpoch()),
        Recipe.of("landscape samples", network, parts).text());
  }

  private int batches() {
    int seen = train.size();
    if (config.heldOut() > 0) {
      int held = (int) Math.round(config.heldOut() * seen);
      seen -= Math.max(1, Math.min(held, seen - 1));
    }
    return (seen + config.batchSize() - 1) / config.batchSize();
  }

  Trainer.Options retraining() {
    return new Trainer.Options(
        config.optimizer(),
        new Schedule(0, Schedule.Decay.CONSTANT),
        config.epochs(),
        config.batchSize(),
        Double.POSITIVE_INFINITY,
        1,
        config.augmentation());
  }
}
