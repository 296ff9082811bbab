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
 * A network with experts beside its linear layers and convolutions ({@link MoeModel}): its
 * parameters are those of the network, and nothing else about it differs, so that it is run,
 * evaluated and measured as that. Each sample of a linear layer, and each position of a
 * convolution, has its own experts.
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
    List<String> known = network.affineLayers().stream().map(AffineLayer::id).toList();
    for (MoeModel.Layer layer : experts.layers().values()) {
      if (!known.contains(layer.module())) {
        problems.add(
            "no linear layer or convolution %s; there are %s"
                .formatted(Names.quote(layer.module()), Names.some(known)));
        continue;
      }
      TensorInfo weight = network.parameters().get(layer.target());
      List<Long> shape = new ArrayList<>(List.of(layer.out()));
      shape.addAll(layer.aInfo().shape().subList(2, layer.aInfo().rank()));
      if (!weight.shape().equals(shape)) {
        problems.add(
            "%s is %s; the experts are for %s"
                .formatted(Names.quote(layer.target()), weight, shape));
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(experts + " do not fit the network", problems);
    }
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
   * @param modules linear layers and convolutions
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
    List<String> known = network.affineLayers().stream().map(AffineLayer::id).toList();
    for (String module : modules) {
      if (!known.contains(module)) {
        throw new IllegalArgumentException(
            "no linear layer or convolution %s; there are %s"
                .formatted(Names.quote(module), Names.some(known)));
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
          long[] shape = network.parameters().get(module + ".weight").dims();
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
