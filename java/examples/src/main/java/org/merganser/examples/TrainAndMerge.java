// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.NpMerger;
import org.merganser.model.Evaluation;
import org.merganser.stats.Moments;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.objective.TorchObjective;
import org.merganser.torch.training.ModelTraining;
import org.merganser.torch.training.Trainer;

/**
 * Trains two networks on embedded images, merges them with and without alignment, and with learned
 * coefficients.
 */
public final class TrainAndMerge {
  private TrainAndMerge() {}

  /** Prints the test accuracy of both models and of the merged ones. */
  public static void main(String[] args) throws IOException {
    try (Workspace ws = Workspace.builder().seed(1).open();
        DataSet data = ImageFiles.embedded(3000)) {
      TorchNetwork network =
          TorchNetwork.mlp(data.inputSize(), 32, 2, data.train().classes(), Activation.RELU);
      // Both at the same time; with a folder instead of empty() they are trained once.
      List<MemoryCheckpoint> models =
          new ModelTraining(network, Trainer.Options.adamW(8), Optional.empty(), ws)
              .train(data.train(), 1, 2);
      try (Checkpoint a = models.get(0);
          Checkpoint b = models.get(1);
          Moments stats =
              Moments.collect(
                  network, List.of(a, b), data.train().batches(500), CcaAligner.REQUEST, ws);
          AlignmentSet maps =
              CcaAligner.relativeGamma(1)
                  .align(AlignmentProblem.of(network.architecture(), stats), ws);
          Checkpoint inA = maps.of(1).apply(b)) {
        Merger average = LinearMerger.uniform();
        Merger learned = NpMerger.of(TorchObjective.of(network, data.train()));
        print("model a", network, a, data, ws);
        print("model b", network, b, data, ws);
        merge("merged as they are", average, MergeProblem.of(a, b), network, data, ws);
        merge("merged by CCA", average, MergeProblem.of(a, inA), network, data, ws);
        merge("NP Merge after CCA", learned, MergeProblem.of(a, inA), network, data, ws);
      }
    }
  }

  private static void merge(
      String what,
      Merger merger,
      MergeProblem problem,
      TorchNetwork network,
      DataSet data,
      Workspace ws)
      throws IOException {
    try (Checkpoint merged = merger.merge(problem, ws)) {
      print(what, network, merged, data, ws);
    }
  }

  private static void print(
      String what, TorchNetwork network, Checkpoint theta, DataSet data, Workspace ws)
      throws IOException {
    Evaluation evaluation = Evaluation.of(network, theta, data.test(), ws);
    System.out.printf(Locale.ROOT, "%-20s %.4f%n", what, evaluation.accuracy());
  }
}
