// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.merganser.analysis.landscape.Direction;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.analysis.landscape.JumpAndRetrain;
import org.merganser.analysis.landscape.LossFunction;
import org.merganser.analysis.landscape.NetworkLoss;
import org.merganser.analysis.landscape.ParamLayout;
import org.merganser.analysis.landscape.SampleStore;
import org.merganser.analysis.landscape.Statistics;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.experiment.Findings.Found;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.training.ModelTraining;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/**
 * One seed of {@link LandscapeExperiment}: every minimum from the same initial weights, along the
 * same random numbers. What was found is written after each; samples of one that was interrupted
 * are there, and only those that lack are made.
 */
final class LandscapeSeed {
  private static final double MOMENTUM = 0.9;
  private static final int STAGES = 3;

  private final LandscapeExperiment.Options options;
  private final int index;
  private final DataSet data;
  private final LandscapeImages images;
  private final TorchNetwork network;
  private final Journal journal;
  private final Stopwatch watch;
  private final Workspace ws;

  LandscapeSeed(
      LandscapeExperiment.Options options,
      int index,
      DataSet data,
      LandscapeImages images,
      Runner runner) {
    this.options = options;
    this.index = index;
    this.data = data;
    this.images = images;
    this.network = options.network(images);
    this.journal = runner.journal();
    this.watch = runner.watch();
    this.ws = runner.ws();
  }

  /**
   * @param samples folder for them
   */
  Findings run(Path samples) throws IOException {
    String digest = Journal.digest(data);
    Findings found = journal.begun(index, digest);
    for (LandscapeMinimum minimum : options.minima()) {
      Path folder = samples.resolve(minimum.id() + "-" + index);
      if (!found.map("landscapes").containsKey(minimum.id())) {
        found = with(found, minimum, folder);
        journal.write(index, digest, found);
      }
      // Only now: until it is written, they are what an interrupted run goes on from.
      if (!options.keepSamples() && Files.exists(folder)) {
        SampleFolders.removeStore(folder);
      }
    }
    return found;
  }

  private Findings with(Findings before, LandscapeMinimum minimum, Path folder) throws IOException {
    Examples train = images.train(minimum.random(), seed());
    ModelTraining.Trained trained = watch.time("train", () -> trained(minimum, train));
    try (MemoryCheckpoint theta = trained.models().get(0)) {
      options.runs().keep(index, minimum.id(), theta, ws);
      Landscape landscape = landscape(minimum, theta, train, folder);
      before.map("landscapes").put(minimum.id(), landscape);
      Evaluation none = new Evaluation(Double.NaN, Double.NaN);
      before.rows().put(minimum.id(), new Found(minimum.meaning(), landscape.test(), none, ""));
      ExperimentResult.Training counts =
          new ExperimentResult.Training(trained.trained(), 1 - trained.trained());
      return before.with(before.training().plus(counts));
    }
  }

  private long seed() {
    return options.runs().seed() + index;
  }

  private ModelTraining.Trained trained(LandscapeMinimum minimum, Examples train)
      throws IOException {
    Trainer.Options how =
        new Trainer.Options(
            new Optimizer.Sgd(options.baseLr(), MOMENTUM, minimum.weightDecay(options)),
            Schedule.steps(STAGES),
            options.baseEpochs(),
            options.batch(),
            Double.POSITIVE_INFINITY,
            1,
            minimum.augmentation(options));
    String part = "%s, %d samples, %s".formatted(data.name(), train.size(), minimum.meaning());
    return new ModelTraining(network, how, options.cache(), ws)
        .train(List.of(new ModelTraining.Job(seed(), train, part)), stage("train", minimum));
  }

  private String stage(String what, LandscapeMinimum minimum) {
    return "%s %s, seed %d/%d".formatted(what, minimum.id(), index + 1, options.runs().seeds());
  }

  private Landscape landscape(
      LandscapeMinimum minimum, MemoryCheckpoint theta, Examples train, Path folder)
      throws IOException {
    JumpAndRetrain task = new JumpAndRetrain(network, theta, train, images.test(), config(minimum));
    try (SampleStore store = watch.time("sample", () -> task.run(folder, ws))) {
      LandscapeProbes points = probes(theta, Math.toIntExact(store.samples()));
      Map<String, LossFunction> losses =
          Map.of(
              "train", new NetworkLoss(network, theta, train),
              "test", new NetworkLoss(network, theta, images.test()));
      Landscape.Probes probes = watch.time("probe", () -> points.losses(minimum.id(), losses, ws));
      Evaluation onTrain = Evaluation.of(network, theta, train, ws);
      Evaluation onTest = Evaluation.of(network, theta, images.test(), ws);
      Evaluation onDrawn;
      try (Examples drawn = images.test(minimum.random(), seed())) {
        onDrawn = Evaluation.of(network, theta, drawn, ws);
      }
      return new LandscapeAnalysis(options, watch, ws)
          .of(onTrain, onTest, onDrawn, store, points, probes);
    }
  }

  private LandscapeProbes probes(MemoryCheckpoint theta, int samples) throws IOException {
    ParamLayout layout = ParamLayout.of(network);
    double[] centre = layout.read(theta, ws);
    List<Direction> directions = new ArrayList<>();
    for (long seed : directions()) {
      directions.add(Direction.gaussian(layout, centre, seed, Norm.FILTER, OneDimensional.IGNORE));
    }
    return new LandscapeProbes(centre, directions, options.longestStep(), samples);
  }

  /** Seeds of this seed's own directions; of the first those of the paper's code, from 0 on. */
  private List<Long> directions() {
    long first = seed() * options.directions();
    return LongStream.range(first, first + options.directions()).boxed().toList();
  }

  private JumpAndRetrain.Config config(LandscapeMinimum minimum) {
    return new JumpAndRetrain.Config(
        directions(),
        options.steps(),
        options.epochs() - 1,
        1,
        new Optimizer.Sgd(options.lr(), MOMENTUM, minimum.weightDecay(options)),
        options.batch(),
        minimum.augmentation(options),
        options.heldOut(),
        Norm.FILTER,
        OneDimensional.IGNORE,
        Statistics.KEPT);
  }
}
