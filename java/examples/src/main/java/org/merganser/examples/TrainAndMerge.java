// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.stats.Moments;
import org.merganser.torch.Activation;
import org.merganser.torch.Evaluation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.TorchObjective;
import org.merganser.torch.Trainer;

/**
 * Trains two networks on embedded images, merges them with and without alignment, and with learned
 * shares.
 */
public final class TrainAndMerge {
  private TrainAndMerge() {}

  /** Prints the test accuracy of both models and of the merged ones. */
  public static void main(String[] args) throws IOException {
    try (Workspace first = Workspace.builder().seed(1).open();
        Workspace second = Workspace.builder().seed(2).open();
        DataSet data = ImageFiles.embedded(3000)) {
      TorchNetwork network =
          TorchNetwork.mlp(data.inputSize(), 32, 2, data.train().classes(), Activation.RELU);
      Trainer.Options options = Trainer.Options.adamW(8);
      Checkpoint a = Trainer.train(network, network.initialise(1), data.train(), options, first);
      Checkpoint b = Trainer.train(network, network.initialise(2), data.train(), options, second);

      Moments stats =
          Moments.collect(
              network, List.of(a, b), data.train().batches(500), CcaAligner.REQUEST, first);
      Alignment toA =
          CcaAligner.relativeGamma(1)
              .align(AlignmentProblem.of(network.architecture(), stats), first)
              .of(1);
      LinearMerger merger = LinearMerger.uniform();
      print("model a", network, a, data, first);
      print("model b", network, b, data, first);
      print("merged as they are", network, merger.merge(MergeProblem.of(a, b), first), data, first);
      print(
          "merged by CCA",
          network,
          merger.merge(MergeProblem.of(a, toA.apply(b)), first),
          data,
          first);
      NpMerger learning = NpMerger.of(TorchObjective.builder(network, data.train()).build());
      print(
          "NP Merge after CCA",
          network,
          learning.merge(MergeProblem.of(a, toA.apply(b)), first),
          data,
          first);
    }
  }

  private static void print(
      String what, TorchNetwork network, Checkpoint theta, DataSet data, Workspace ws)
      throws IOException {
    Evaluation evaluation = Evaluation.of(network, theta, data.test(), ws);
    System.out.printf(Locale.ROOT, "%-20s %.4f%n", what, evaluation.accuracy());
  }
}
