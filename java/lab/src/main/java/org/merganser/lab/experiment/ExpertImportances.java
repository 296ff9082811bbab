// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.merge.Merger.Importance;
import org.merganser.merge.RegMeanMerger;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.objective.FisherDiagonal;

/**
 * What mergers weigh experts by, measured on the training examples of each expert's task, each kind
 * when it is first asked for:
 *
 * <ul>
 *   <li>Fisher diagonals of 256 examples, of each a class drawn by the probabilities of the expert,
 *       which is the Fisher information in expectation at one backward pass an example;
 *   <li>Gram matrices of what linear layers read, on all examples; of a perceptron also that of its
 *       inputs, which are those of the task. What reads convolutions or tokens has none, and is
 *       averaged.
 * </ul>
 */
final class ExpertImportances implements AutoCloseable {
  private static final StatisticsRequest OWN = StatisticsRequest.of(Part.OWN);

  private static final FisherDiagonal.Options FISHER =
      FisherDiagonal.Options.defaults().withLabels(FisherDiagonal.Labels.DRAWN);

  private final ExpertNetwork network;
  private final List<ExpertTask> tasks;
  private final List<Checkpoint> models;
  private final Map<Importance, List<Checkpoint>> found = new EnumMap<>(Importance.class);
  private final Opened opened = new Opened();

  /**
   * @param models an expert of each task, as a whole
   */
  ExpertImportances(ExpertNetwork network, List<ExpertTask> tasks, List<Checkpoint> models) {
    this.network = network;
    this.tasks = tasks;
    this.models = models;
  }

  /** Of each expert, without those of the last layer; nothing where a method weighs by nothing. */
  List<Checkpoint> of(Importance kind, Workspace ws) throws IOException {
    if (!found.containsKey(kind) && kind != Importance.NONE) {
      List<Checkpoint> each = new ArrayList<>();
      for (int t = 0; t < models.size(); t++) {
        Examples data = tasks.get(t).train();
        Checkpoint whole =
            kind == Importance.FISHER
                ? opened.add(FisherDiagonal.of(network.network(), models.get(t), data, FISHER, ws))
                : grams(models.get(t), data, ws);
        each.add(whole.where(name -> !network.isHead(name)));
      }
      found.put(kind, each);
    }
    return found.getOrDefault(kind, List.of());
  }

  private Checkpoint grams(Checkpoint model, Examples data, Workspace ws) throws IOException {
    TorchNetwork of = network.network();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    String first = of.affineLayers().get(0).weight();
    if (data.inputs().rank() == 2) {
      tensors.put(first, products(data.inputs(), ws));
    }
    try (Moments moments = Moments.collect(of, List.of(model), data, OWN, ws)) {
      Checkpoint grams = RegMeanMerger.grams(of.architecture(), model, moments, 0);
      for (String name : grams.tensors().keySet()) {
        tensors.put(name, opened.add(grams.read(name, ws)));
      }
    }
    if (tensors.keySet().stream().allMatch(network::isHead)) {
      throw new IllegalArgumentException(
          "methods: regmean weighs by what linear layers read; but for the last there is none in"
              + " this network that reads features as they are; leave it out");
    }
    return MemoryCheckpoint.of(tensors);
  }

  /** {@code X^T X}. */
  private Tensor products(Tensor x, Workspace ws) {
    try (Tensor wide = Tensor.allocate(DType.F64, x.shape())) {
      wide.convertFrom(x, ws);
      Matrix of = Matrix.of(wide);
      return opened.add(LinAlg.transposeMultiply(of, of, ws)).asTensor();
    }
  }

  @Override
  public void close() {
    opened.close();
  }
}
