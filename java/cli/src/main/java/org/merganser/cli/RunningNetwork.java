// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.util.List;
import org.merganser.align.Alignment;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.model.Inputs;
import org.merganser.model.Objective;
import org.merganser.repair.RepairProblem;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.objective.TorchObjective;

/** A network with its data, run as experiments run it, so that the same models come out. */
record RunningNetwork(ExperimentOptions options, DataSet data, TorchNetwork network) {
  private static final int VERIFIED = 256;

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

  /** The loss on the training samples, a tenth of which is held out. */
  Objective objective() {
    return TorchObjective.builder(network, data.train())
        .augmentation(options.training().augmentation())
        .build();
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
