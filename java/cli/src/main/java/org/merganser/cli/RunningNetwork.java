// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.align.Alignment;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.merge.Merger.Importance;
import org.merganser.merge.RegMeanMerger;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Objective;
import org.merganser.model.PairedActivations;
import org.merganser.repair.RepairProblem;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.objective.FisherDiagonal;
import org.merganser.torch.objective.TorchObjective;

/** A network with its data, run as experiments run it, so that the same models come out. */
record RunningNetwork(ExperimentOptions options, DataSet data, TorchNetwork network) {
  private static final int VERIFIED = 256;

  /**
   * With its data, which are read.
   *
   * @param opened closes them
   */
  static RunningNetwork open(ExperimentOptions options, Opened opened) throws IOException {
    DataSet read = opened.add(options.load(0));
    return new RunningNetwork(options, read, options.network(read));
  }

  /** What statistics are taken from. */
  Inputs inputs() {
    return options.batches(sample());
  }

  /** A merged model to repair; there are fewer samples where many passes are made. */
  RepairProblem broken(Checkpoint merged, List<Checkpoint> aligned, List<Double> shares) {
    Examples samples = network.batchNorms().isEmpty() ? options.few(sample()) : sample();
    return new RepairProblem(network, merged, aligned, shares, options.batches(samples));
  }

  private Examples sample() {
    return options.sample(data);
  }

  /** What models make of the samples as they are, in their order: without flips and crops. */
  PairedActivations activations(List<Checkpoint> models, Workspace ws) throws IOException {
    List<PairedActivations.Model> all = PairedActivations.Model.of(network, models);
    return PairedActivations.of(all, sample().batches(sample().batchSize()), Mode.EVAL, ws);
  }

  /** How many that are. */
  long samples() {
    return sample().samples();
  }

  /** The loss on the training samples, a tenth of which is held out. */
  Objective objective() {
    return TorchObjective.of(
        network,
        data.train(),
        TorchObjective.Options.defaults().withAugmentation(options.training().augmentation()));
  }

  /** Fisher diagonals on training samples; the caller closes them. */
  Checkpoint fisher(Checkpoint model, FisherDiagonal.Options how, Workspace ws) throws IOException {
    return FisherDiagonal.of(network, model, data.train(), how, ws);
  }

  /**
   * Gram matrices of what linear layers read.
   *
   * @param opened closes what they are computed of
   */
  Checkpoint grams(Checkpoint model, Opened opened, Workspace ws) throws IOException {
    StatisticsRequest own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    Moments moments = opened.add(Moments.collect(network, List.of(model), inputs(), own, ws));
    return RegMeanMerger.grams(network.architecture(), model, moments, 0);
  }

  /** Importances of models, likewise. */
  List<Checkpoint> importances(
      Importance kind, List<Checkpoint> models, Opened opened, Workspace ws) throws IOException {
    List<Checkpoint> found = new ArrayList<>();
    for (Checkpoint model : models) {
      found.add(
          kind == Importance.GRAM
              ? grams(model, opened, ws)
              : opened.add(fisher(model, FisherDiagonal.Options.defaults(), ws)));
    }
    return found;
  }

  /** How much the outputs change, unless mapped statistics must be taken anew first. */
  Verification verify(Alignment found, Checkpoint model, Workspace ws) throws IOException {
    if (!found.apply(model).stale().isEmpty()) {
      return found.verify(ws);
    }
    Examples few = sample().first(Math.min(VERIFIED, sample().size()));
    return found.verify(network, model, few, ws);
  }
}
