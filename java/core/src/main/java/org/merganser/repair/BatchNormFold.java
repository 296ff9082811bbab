// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;

/**
 * Batch normalisation folded into the layer before it, and put back after merging: another way to
 * take dense maps across it. In evaluation {@code y = g (x - mean) / sqrt(var + eps) + beta} with
 * {@code x = W u + b} is the affine layer
 *
 * <pre>
 *   W* = g / sqrt(var + eps) W,   b* = g / sqrt(var + eps) (b - mean) + beta
 * </pre>
 *
 * which a dense map transforms exactly. {@link #fold} gives the models in that form, for the
 * network without normalisation; align, merge them there. {@link #unfold} returns to the network
 * with normalisation: the merged W* become its weights, and each normalisation gets as scale and
 * shift the standard deviation and mean that the aligned endpoints have there (averaged by their
 * shares). Its running statistics are stale then: apply {@link BatchNormReset}.
 */
public final class BatchNormFold {
  private final Network network;
  private final Map<String, BatchNormLayer> normOf = new LinkedHashMap<>();

  private BatchNormFold(Network network) {
    this.network = network;
    List<String> problems = new ArrayList<>();
    if (network.batchNorms().isEmpty()) {
      problems.add("the network has no batch normalisation");
    }
    for (BatchNormLayer norm : network.batchNorms()) {
      if (norm.follows().isEmpty()) {
        problems.add(
            "normalisation '" + norm.id() + "' does not follow a linear layer or convolution");
      } else {
        normOf.put(norm.follows().get(), norm);
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("batch normalisation cannot be folded", problems);
    }
  }

  /**
   * For the models of a network.
   *
   * @param network with normalisation
   * @throws IncompatibleModelsException when a normalisation follows no affine layer
   */
  public static BatchNormFold of(Network network) {
    return new BatchNormFold(network);
  }

  /**
   * The model for the network without normalisation; tensors are computed when read. A layer
   * without bias gets one, named {@code LAYER.bias}.
   *
   * @throws IncompatibleModelsException when its running statistics are stale
   */
  public Checkpoint fold(Checkpoint model) {
    List<String> problems = new ArrayList<>();
    for (String name : model.stale()) {
      problems.add("'" + name + "' is stale: reset it before folding");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("batch normalisation cannot be folded", problems);
    }
    return new FoldedCheckpoint(model, network.affineLayers(), normOf);
  }

  /**
   * The merged model with normalisation put back; running statistics are stale.
   *
   * @param problem in terms of the network without normalisation: the average of folded aligned
   *     models, and these as endpoints
   * @param like a model with normalisation: names, types and what is not folded come from it
   */
  public MemoryCheckpoint unfold(RepairProblem problem, Checkpoint like, Workspace ws)
      throws IOException {
    Map<String, Long> widths = new LinkedHashMap<>();
    Map<String, AffineLayer> layers = new LinkedHashMap<>();
    for (AffineLayer layer : network.affineLayers()) {
      if (normOf.containsKey(layer.id())) {
        widths.put(layer.output(), layer.width());
        layers.put(layer.id(), layer);
      }
    }
    Map<String, Tensor> replaced = new LinkedHashMap<>();
    Set<String> stale = new LinkedHashSet<>();
    try (Moments endpoints =
        Moments.collect(
            problem.network(),
            widths,
            Mode.EVAL,
            problem.endpoints(),
            problem.inputs(),
            StatisticsRequest.NONE,
            Moments.Options.defaults(),
            ws)) {
      for (Map.Entry<String, AffineLayer> entry : layers.entrySet()) {
        BatchNormLayer norm = normOf.get(entry.getKey());
        SpaceMoments moments = endpoints.space(entry.getValue().output());
        double[] shift = new double[Math.toIntExact(norm.width())];
        double[] scale = new double[shift.length];
        for (int k = 0; k < problem.endpoints().size(); k++) {
          double share = problem.weights().get(k);
          double[] mean = moments.mean(k);
          double[] variance = moments.variance(k);
          for (int c = 0; c < shift.length; c++) {
            shift[c] += share * mean[c];
            scale[c] += share * Math.sqrt(variance[c]);
          }
        }
        replaced.put(norm.scale(), Tensor.of(like.info(norm.scale()).dtype(), scale, ws));
        replaced.put(norm.shift(), Tensor.of(like.info(norm.shift()).dtype(), shift, ws));
        stale.add(norm.mean());
        stale.add(norm.variance());
      }
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : like.tensors().keySet()) {
      Tensor tensor = replaced.get(name);
      if (tensor == null) {
        boolean shared = problem.merged().tensors().containsKey(name);
        tensor = (shared ? problem.merged() : like).read(name, ws);
      }
      tensors.put(name, tensor);
    }
    return MemoryCheckpoint.of(tensors, like.metadata(), stale);
  }
}
