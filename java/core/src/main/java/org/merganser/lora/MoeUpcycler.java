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
  private final List<String> names;

  private MoeUpcycler(
      Router router,
      int topK,
      double temperature,
      Checkpoint means,
      List<String> own,
      List<String> names) {
    this.router = router;
    this.topK = topK;
    this.temperature = temperature;
    this.means = means;
    this.own = List.copyOf(own);
    this.names = List.copyOf(names);
  }

  private static MoeUpcycler of(Router router, int topK, Checkpoint means) {
    return new MoeUpcycler(router, topK, 1, means, List.of(), List.of());
  }

  /**
   * @param topK experts that each input goes to, or {@link #ALL}
   */
  public static MoeUpcycler arrow(int topK) {
    return of(Router.ARROW, topK, MemoryCheckpoint.of(Map.of()));
  }

  /**
   * @param means of each module under its name, [experts x in] or as the gate of a convolution: its
   *     mean input on the data of each expert; borrowed
   */
  public static MoeUpcycler meanActivation(int topK, Checkpoint means) {
    return of(Router.MEAN_ACTIVATION, topK, means);
  }

  public static MoeUpcycler random(int topK) {
    return of(Router.RANDOM, topK, MemoryCheckpoint.of(Map.of()));
  }

  /**
   * @param value T, by which logits are divided (default 1); 0 or less for the root of the inputs
   */
  public MoeUpcycler withTemperature(double value) {
    return new MoeUpcycler(router, topK, value, means, own, names);
  }

  /**
   * Names of the experts; else they are those of the adapters, of one in a folder the name of that.
   *
   * @param values all different, one for each adapter
   */
  public MoeUpcycler withNames(List<String> values) {
    return new MoeUpcycler(router, topK, temperature, means, own, values);
  }

  /**
   * For a model of which every task has a part for itself, such as the last layer: it is not
   * compared, and the experts are for a model with any.
   *
   * @param parameters of that part, or layers
   */
  public MoeUpcycler withOwn(String... parameters) {
    return new MoeUpcycler(router, topK, temperature, means, List.of(parameters), names);
  }

  private boolean isCommon(String name) {
    return own.stream().noneMatch(each -> name.equals(each) || name.startsWith(each + "."));
  }

  /**
   * The model of experts.
   *
   * @param base that the adapters were trained for; read whole, for its digests
   * @param adapters one expert each, in this order; borrowed
   * @throws IllegalArgumentException when experts would have one name, or others are given than one
   *     for each
   * @throws IncompatibleModelsException when the adapters do not fit each other, means or the
   *     model, or were trained for another one, with all that does not fit
   * @throws org.merganser.error.NumericalException when factors are not finite
   */
  public MoeModel upcycle(Checkpoint base, List<LoraAdapter> adapters, Workspace ws)
      throws IOException {
    List<String> called = namesOf(adapters);
    int k = topK == ALL ? Math.max(1, called.size()) : topK;
    String baseName =
        adapters.stream()
            .map(LoraAdapter::baseName)
            .filter(n -> !n.isEmpty())
            .findFirst()
            .orElse("");
    Description description = new Description(router, k, temperature, called, baseName);
    MoeExperts.requireAlike(adapters);
    if (router == Router.MEAN_ACTIVATION) {
      MoeGates.requireMeans(adapters, means);
    }
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
      notes.addAll(gates.notes(called, ws));
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

  private List<String> namesOf(List<LoraAdapter> adapters) {
    if (names.isEmpty()) {
      return adapters.stream().map(MoeUpcycler::name).toList();
    }
    if (names.size() != adapters.size()) {
      throw new IllegalArgumentException(
          "%d names for %d experts; give one for each".formatted(names.size(), adapters.size()));
    }
    return names;
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
