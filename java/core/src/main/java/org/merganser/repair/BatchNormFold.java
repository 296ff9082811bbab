// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Network;

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
 * with normalisation. {@link #positive} is the form of a model in which no scale is negative.
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
    requireFresh(model);
    return FoldedCheckpoint.of(model, network.affineLayers(), normOf);
  }

  /**
   * A model of the network without normalisation with normalisation put back: {@code W*} become the
   * weights, biases before a normalisation 0, and every normalisation gets the scale, by absolute
   * value, and the shift that the reference has there: for an average of folded models these are
   * the goals that it is to reach, and the reference is the model whose activations are known to
   * work with what follows. Running statistics are stale: apply {@link BatchNormReset}.
   *
   * @param folded average of folded, aligned models; borrowed
   * @param reference with normalisation, into whose features they were aligned; borrowed. Names and
   *     types come from it
   * @throws IncompatibleModelsException when {@code folded} lacks a tensor of the network without
   *     normalisation, or has one of another shape
   */
  public Checkpoint unfold(Checkpoint folded, Checkpoint reference) {
    return new UnfoldedCheckpoint(folded, reference, network.affineLayers(), normOf);
  }

  /**
   * The same function with no negative scale: where a scale is negative, its sign moves into the
   * row of the layer before, {@code (W, b, mean, g) -> (s W, s b, s mean, s g)}, s = -1. Models
   * that are averaged should have this form: scales of opposite sign cancel, and a dense map mixes
   * features by their size.
   */
  public Checkpoint positive(Checkpoint model) {
    return new PositiveCheckpoint(model, network.affineLayers(), normOf);
  }

  private static void requireFresh(Checkpoint model) {
    List<String> problems = new ArrayList<>();
    for (String name : model.stale()) {
      problems.add("'" + name + "' is stale: reset it before folding");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("batch normalisation cannot be folded", problems);
    }
  }
}
