// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.model.LayerChains.Layer;

/**
 * Finds the architecture of a plain stack of linear layers from its checkpoint: matrices {@code
 * NAME.weight} [out x in] with optional {@code NAME.bias} [out], each reading what the one before
 * wrote. The output of each layer but the last becomes a space named after the layer.
 *
 * <p>A checkpoint does not say in which order its layers run. {@link #infer(Checkpoint)} takes an
 * order only when it is proved: by the numbers in names that are otherwise the same ({@code
 * layers.0}, {@code layers.2}, {@code layers.10}), or by shapes that admit one order and no other,
 * or by both together where one row of numbered layers stands among single ones. Otherwise it
 * throws with the orders that are possible, and {@link #infer(Checkpoint, List)} takes the one that
 * is right. Numbers and words ({@code encoder}, {@code output}) that contradict the shapes make an
 * order doubtful too.
 *
 * <p>What lies between the layers is not in a checkpoint, so only permutations are taken to be
 * exact. Every tensor must belong to the stack; anything else needs a builder file, as do layers
 * whose names say that they do not stand in a row (attention, embeddings, gates, branches). Near
 * linear in the number of tensors.
 */
public final class LinearStack {
  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";
  private static final String NO_STACK =
      "not a plain stack of linear layers; describe it in a builder file (--architecture)";
  private static final int SHOWN = 20;

  /**
   * The order of the layers of a stack.
   *
   * @param layers names, first to last
   * @param proved whether nothing else is possible
   * @param reason what proves it, or what is missing
   * @param others further orders that are possible, a few of them; empty when proved
   */
  public record Order(
      List<String> layers, boolean proved, String reason, List<List<String>> others) {
    public Order {
      layers = List.copyOf(layers);
      others = List.copyOf(others);
    }

    /** All that are possible, the one that would be taken first. */
    public List<List<String>> possible() {
      return Stream.concat(Stream.of(layers), others.stream()).toList();
    }
  }

  private LinearStack() {}

  /**
   * The architecture, when names or shapes prove the order of the layers.
   *
   * @throws IncompatibleModelsException when the checkpoint is no such stack, with the reasons, or
   *     when the order is not proved, with the orders that are possible
   */
  public static Architecture infer(Checkpoint checkpoint) {
    Order order = order(checkpoint);
    if (order.proved()) {
      return architecture(checkpoint, order.layers());
    }
    List<String> lines = new ArrayList<>();
    lines.add(order.reason());
    order.possible().forEach(layers -> lines.add("--layers " + text(layers)));
    throw new IncompatibleModelsException(
        "names and shapes do not prove in which order the layers run; confirm one (--layers, or"
            + " LinearStack.infer with the order), or describe the network in a builder file"
            + " (--architecture)",
        lines);
  }

  /**
   * The architecture with the order of the layers as it is known to the caller; names are then not
   * judged, except that an adapter is never a stack.
   *
   * @param order names of all layers (without {@code .weight}), first to last
   * @throws IncompatibleModelsException when the layers do not chain in this order, when one is
   *     missing or unknown, or when the checkpoint is no stack in any order, with the reasons
   */
  public static Architecture infer(Checkpoint checkpoint, List<String> order) {
    List<String> problems = new ArrayList<>();
    Map<String, Layer> layers = layers(checkpoint.tensors(), problems, false);
    require(problems, NO_STACK);
    Set<String> missing = new HashSet<>(layers.keySet());
    Set<String> given = new HashSet<>();
    List<Layer> chain = new ArrayList<>();
    for (String name : order) {
      missing.remove(name);
      if (!given.add(name)) {
        problems.add("layer '" + name + "' is given twice");
      } else if (layers.containsKey(name)) {
        chain.add(layers.get(name));
      } else {
        problems.add(Names.missing(name + WEIGHT, checkpoint.tensors().keySet()));
      }
    }
    missing.stream()
        .sorted()
        .forEach(name -> problems.add("layer '" + name + "' is not among the layers given"));
    require(problems, "the order given must name every layer once");
    addBreaks(chain, problems);
    require(problems, "the layers do not chain in the order given");
    return architecture(checkpoint, order);
  }

  /**
   * The order that {@link #infer(Checkpoint)} would take, or would have confirmed.
   *
   * @throws IncompatibleModelsException when the checkpoint is no stack in any order, with the
   *     reasons
   */
  public static Order order(Checkpoint checkpoint) {
    List<String> problems = new ArrayList<>();
    List<Layer> layers = new ArrayList<>(layers(checkpoint.tensors(), problems, true).values());
    if (layers.size() < 2) {
      problems.add(
          "a stack needs at least two layers, found "
              + layers.stream().map(layer -> layer.name().name()).toList());
    }
    require(problems, NO_STACK);
    LayerOrder found = LayerOrder.of(layers);
    if (found.chain().isEmpty()) {
      addBreaks(found.byName(), problems);
      require(problems, NO_STACK);
    }
    return found.order();
  }

  private static void require(List<String> problems, String what) {
    if (problems.size() > SHOWN) {
      int more = problems.size() - SHOWN;
      problems.subList(SHOWN, problems.size()).clear();
      problems.add("and " + more + " more");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(what, problems);
    }
  }

  private static void addBreaks(List<Layer> chain, List<String> problems) {
    for (int i = 1; i < chain.size(); i++) {
      Layer before = chain.get(i - 1);
      Layer layer = chain.get(i);
      if (before.writes() != layer.reads()) {
        problems.add(
            "layer '"
                + layer.name().name()
                + "' reads "
                + layer.reads()
                + " features, layer '"
                + before.name().name()
                + "' before it writes "
                + before.writes());
      }
    }
  }

  private static Architecture architecture(Checkpoint checkpoint, List<String> layers) {
    Architecture.Builder builder = Architecture.builder();
    for (int i = 0; i + 1 < layers.size(); i++) {
      String layer = layers.get(i);
      List<Binding> bindings = new ArrayList<>();
      bindings.add(Binding.of(layer + WEIGHT, 0, Role.WEIGHT_OUT));
      if (checkpoint.tensors().containsKey(layer + BIAS)) {
        bindings.add(Binding.of(layer + BIAS, 0, Role.BIAS));
      }
      bindings.add(Binding.of(layers.get(i + 1) + WEIGHT, 1, Role.WEIGHT_IN));
      builder.space(
          new FeatureSpace(
              layer, checkpoint.info(layer + WEIGHT).dim(0), MapFamily.PERMUTATION, bindings));
    }
    return builder.build();
  }

  /** Layers in the order of the file; what is none, or cannot stand in a row, is a problem. */
  private static Map<String, Layer> layers(
      Map<String, TensorInfo> tensors, List<String> problems, boolean judgeNames) {
    Map<String, Layer> layers = new LinkedHashMap<>();
    tensors.forEach(
        (tensor, info) -> {
          String layer = without(WEIGHT, tensor);
          if (!layer.isEmpty() && info.rank() == 2) {
            layers.put(layer, new Layer(LayerName.of(layer), info.dim(1), info.dim(0)));
          }
        });
    tensors.forEach(
        (tensor, info) -> {
          Layer of = layers.get(without(BIAS, tensor));
          boolean bias = of != null && info.rank() == 1 && info.dim(0) == of.writes();
          if (!bias && !layers.containsKey(without(WEIGHT, tensor))) {
            problems.add("'" + tensor + "' " + info + " is no weight or bias of a linear layer");
          }
        });
    for (Map.Entry<String, Layer> entry : layers.entrySet()) {
      String name = entry.getKey();
      LayerName parts = entry.getValue().name();
      if (entry.getValue().reads() == 0 || entry.getValue().writes() == 0) {
        problems.add("layer '" + name + "' is empty: its weight is " + tensors.get(name + WEIGHT));
      }
      if (parts.isAdapter()) {
        problems.add("layer '" + name + "' is part of an adapter (such as LoRA) by its name");
      } else if (judgeNames && parts.notInARow().isPresent()) {
        problems.add(
            "layer '"
                + name
                + "' is "
                + parts.notInARow().get()
                + " by its name; if the layers stand in a row all the same, give their order"
                + " (--layers)");
      }
      if (name.contains("/") || name.contains("\\")) {
        problems.add("layer '" + name + "' cannot name a file of activations");
      }
    }
    return layers;
  }

  /** The name before the suffix; empty when it does not end so. */
  private static String without(String suffix, String tensor) {
    return tensor.endsWith(suffix) ? tensor.substring(0, tensor.length() - suffix.length()) : "";
  }

  private static String text(List<String> layers) {
    return layers.size() <= 3 * SHOWN
        ? String.join(",", layers)
        : String.join(",", layers.subList(0, 3))
            + ",...,"
            + layers.get(layers.size() - 1)
            + " ("
            + layers.size()
            + " layers)";
  }
}
