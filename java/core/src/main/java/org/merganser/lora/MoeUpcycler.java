// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel.Description;
import org.merganser.lora.MoeModel.Router;

/**
 * Adapters of low rank as the experts of one model ({@link MoeModel}), without training: an input
 * goes to the k of them whose gates it agrees with most. Gates, of each module and expert:
 *
 * <ul>
 *   <li>{@link #arrow}: the right singular vector of the largest singular value of {@code B A}, of
 *       unit norm, from the factors in F64, so that nothing of the size of a weight is formed.
 *       Modules that share A in every expert share gates, those of their B one below the other. 0
 *       of an expert that changes nothing, such as an untrained one;
 *   <li>{@link #meanActivation}: the mean input of the module on the expert's data, less the mean
 *       over the data of the others, of unit norm;
 *   <li>{@link #random}: normal, by the seed of the Workspace.
 * </ul>
 *
 * <p>Factors and gates are F32 (F64 where one of the adapters' is). The adapters have the same
 * modules, ranks and shapes, and no tensors but factors; scales may differ.
 *
 * <p>Source: Ostapenko et al. 2024, "Towards Modular LLMs by Building and Reusing a Library of
 * LoRAs" (Arrow); the gates by means are those of mergekit-moe ({@code hidden}).
 */
public final class MoeUpcycler {
  /** As top-k: all experts. */
  public static final int ALL = -1;

  private final Router router;
  private final int topK;
  private final double temperature;
  private final Checkpoint means;
  private final List<String> own;

  private MoeUpcycler(
      Router router, int topK, double temperature, Checkpoint means, List<String> own) {
    this.router = router;
    this.topK = topK;
    this.temperature = temperature;
    this.means = means;
    this.own = List.copyOf(own);
  }

  /**
   * @param topK experts that each input goes to, or {@link #ALL}
   */
  public static MoeUpcycler arrow(int topK) {
    return new MoeUpcycler(Router.ARROW, topK, 1, MemoryCheckpoint.of(Map.of()), List.of());
  }

  /**
   * @param means of each module under its name, [experts x in] or as the gate of a convolution: its
   *     mean input on the data of each expert; borrowed
   */
  public static MoeUpcycler meanActivation(int topK, Checkpoint means) {
    return new MoeUpcycler(Router.MEAN_ACTIVATION, topK, 1, means, List.of());
  }

  public static MoeUpcycler random(int topK) {
    return new MoeUpcycler(Router.RANDOM, topK, 1, MemoryCheckpoint.of(Map.of()), List.of());
  }

  /**
   * @param value T, by which logits are divided (default 1); 0 or less for the root of the inputs
   */
  public MoeUpcycler withTemperature(double value) {
    return new MoeUpcycler(router, topK, value, means, own);
  }

  /**
   * For a model of which every task has a part for itself, such as the last layer: it is not
   * compared, and the experts are for a model with any.
   *
   * @param parameters of that part, or layers
   */
  public MoeUpcycler withOwn(String... parameters) {
    return new MoeUpcycler(router, topK, temperature, means, List.of(parameters));
  }

  private boolean isCommon(String name) {
    return own.stream().noneMatch(each -> name.equals(each) || name.startsWith(each + "."));
  }

  /**
   * The model of experts.
   *
   * @param base that the adapters were trained for; read whole, for its digests
   * @param adapters one expert each, in this order; borrowed
   * @throws IncompatibleModelsException when the adapters do not fit each other or the model, or
   *     were trained for another one, with all that does not fit
   * @throws org.merganser.error.NumericalException when factors are not finite
   */
  public MoeModel upcycle(Checkpoint base, List<LoraAdapter> adapters, Workspace ws)
      throws IOException {
    List<String> names = adapters.stream().map(MoeUpcycler::name).toList();
    int k = topK == ALL ? Math.max(1, names.size()) : topK;
    String baseName =
        adapters.stream()
            .map(LoraAdapter::baseName)
            .filter(n -> !n.isEmpty())
            .findFirst()
            .orElse("");
    Description description = new Description(router, k, temperature, names, baseName);
    MoeExperts.requireAlike(adapters);
    adapters.forEach(adapter -> adapter.fold(base));
    Map<String, String> metadata = BaseDigests.metadata(base.where(this::isCommon), ws);
    for (LoraAdapter adapter : adapters) {
      if (!BaseDigests.isOf(adapter.tensors(), metadata)) {
        BaseDigests.require("adapter " + adapter, adapter.tensors(), base, this::isCommon, ws);
      }
    }
    List<String> notes = new ArrayList<>(notes(adapters));
    try (Opened opened = new Opened()) {
      Map<String, MoeExperts> all = new LinkedHashMap<>();
      for (LoraLayer layer : adapters.get(0).layers().values()) {
        all.put(layer.module(), MoeExperts.read(layer, adapters, opened, ws));
      }
      MoeGates gates = gates(all, ws);
      notes.addAll(gates.notes(names, ws));
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      all.forEach((module, experts) -> experts.put(gates.of(module), tensors, opened, ws));
      MemoryCheckpoint memory = MemoryCheckpoint.of(tensors, metadata, Set.of());
      MoeModel model = new MoeModel(description, memory, notes, Optional.empty());
      opened.release();
      return model;
    }
  }

  private MoeGates gates(Map<String, MoeExperts> experts, Workspace ws) throws IOException {
    return switch (router) {
      case ARROW -> MoeGates.arrow(experts, ws);
      case MEAN_ACTIVATION -> MoeGates.means(experts, means, ws);
      case RANDOM -> MoeGates.random(experts, ws.seed());
    };
  }

  /** Of an adapter in a folder the name of that. */
  private static String name(LoraAdapter adapter) {
    return adapter.path().map(Path::getFileName).map(Path::toString).orElse(adapter.toString());
  }

  private static List<String> notes(List<LoraAdapter> adapters) {
    List<String> notes = new ArrayList<>(LoraSum.notes(adapters));
    List<String> unsaid =
        adapters.stream()
            .filter(adapter -> !BaseDigests.isIn(adapter.tensors()))
            .map(LoraAdapter::toString)
            .toList();
    if (!unsaid.isEmpty()) {
      notes.add(
          "%s: no digests of the model that it was trained for, so only names and shapes of its weights were compared"
              .formatted(Names.some(unsaid)));
    }
    return notes;
  }
}
