// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Inputs;
import org.merganser.model.Network;
import org.merganser.torch.TorchNetwork;

/**
 * A network with experts beside its linear layers, convolutions and the fused projections of
 * attention ({@link MoeModel}): its parameters are those of the network, and nothing else about it
 * differs, so that it is run, evaluated and measured as that. Each sample of a linear layer, token
 * of a sequence and position of a convolution has its own experts.
 */
public final class MoeNetwork implements Network {
  private final TorchNetwork network;
  private final MoeModel experts;

  /**
   * @param experts borrowed
   * @throws IncompatibleModelsException when the network has not the modules that they are for
   */
  public MoeNetwork(TorchNetwork network, MoeModel experts) {
    this.network = network;
    this.experts = experts;
    requireLayers(network, experts);
  }

  static void requireLayers(TorchNetwork network, MoeModel experts) {
    List<String> problems = new ArrayList<>();
    Map<String, TensorInfo> weights = weights(network);
    for (MoeModel.Layer layer : experts.layers().values()) {
      TensorInfo weight = weights.get(layer.module());
      if (weight == null) {
        problems.add(unknown(layer.module(), weights.keySet()));
        continue;
      }
      List<Long> shape = new ArrayList<>(List.of(layer.out()));
      shape.addAll(layer.aInfo().shape().subList(2, layer.aInfo().rank()));
      if (!weight.shape().equals(shape)) {
        problems.add(
            "the weight of %s is %s; the experts are for %s"
                .formatted(Names.quote(layer.module()), weight, shape));
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(experts + " do not fit the network", problems);
    }
  }

  /** By the modules that can have experts. */
  private static Map<String, TensorInfo> weights(TorchNetwork network) {
    Map<String, TensorInfo> weights = new LinkedHashMap<>();
    network
        .adaptable()
        .forEach(layer -> weights.put(layer.id(), network.parameters().get(layer.weight())));
    return weights;
  }

  private static String unknown(String module, Set<String> known) {
    return "no linear layer, convolution or attention %s; there are %s"
        .formatted(Names.quote(module), Names.some(known));
  }

  @Override
  public Architecture architecture() {
    return network.architecture();
  }

  @Override
  public List<AffineLayer> affineLayers() {
    return network.affineLayers();
  }

  @Override
  public List<BatchNormLayer> batchNorms() {
    return network.batchNorms();
  }

  /**
   * @throws IncompatibleModelsException when theta is not what the experts were made for
   */
  @Override
  public Session open(Checkpoint theta, Workspace ws) throws IOException {
    experts.requireBase(theta, ws);
    return network.open(theta, experts.tensors(), all -> new MoeRouting(experts, all), ws);
  }

  /**
   * Mean inputs of modules on the data of each expert, for {@link MoeUpcycler#meanActivation}: of a
   * convolution the mean of the patches under its filters. In evaluation mode; sums of a batch in
   * F32, those of all batches in F64.
   *
   * @param base the model without experts
   * @param modules linear layers, convolutions, attention
   * @param data of one expert each; read once
   * @return under the name of each module F64 [experts x in], of a convolution [experts x in x
   *     height x width]; the caller closes it
   */
  public static MemoryCheckpoint meanInputs(
      TorchNetwork network,
      Checkpoint base,
      Set<String> modules,
      List<? extends Inputs> data,
      Workspace ws)
      throws IOException {
    Map<String, TensorInfo> weights = weights(network);
    for (String module : modules) {
      if (!weights.containsKey(module)) {
        throw new IllegalArgumentException(unknown(module, weights.keySet()));
      }
    }
    Map<String, List<double[]>> means = new LinkedHashMap<>();
    modules.forEach(module -> means.put(module, new ArrayList<>()));
    for (Inputs of : data) {
      MoeInputs sums = new MoeInputs(network, modules);
      try (Session session = network.open(base, MemoryCheckpoint.of(Map.of()), all -> sums, ws)) {
        of.open(ws.seed()).forEachRemaining(batch -> sums.run(session, batch));
      }
      sums.means().forEach((module, mean) -> means.get(module).add(mean));
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    means.forEach(
        (module, rows) -> {
          long[] shape = weights.get(module).dims();
          shape[0] = rows.size();
          double[] flat = rows.stream().flatMapToDouble(java.util.Arrays::stream).toArray();
          tensors.put(module, Tensor.of(flat, shape));
        });
    return MemoryCheckpoint.of(tensors);
  }

  /** The whole description: equal texts are equal networks. */
  @Override
  public String toString() {
    return network + " with " + experts;
  }
}
