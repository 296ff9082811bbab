// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.plan.Recipe.Input;
import org.merganser.plan.Recipe.Layers;

/**
 * What one model gives to a slice: its tensors, under the names of the result.
 *
 * @param place in the recipe
 * @param tensors a view
 * @param names in the model, by name in the result
 * @param positions from 0, the first layer, to 1, the last, by name in the result
 */
record RecipeSource(
    String place,
    Input input,
    Checkpoint tensors,
    Map<String, String> names,
    Map<String, Double> positions) {

  /** Parts of names of what comes before the layers; anything else outside them comes after. */
  private static final List<String> BEFORE = List.of("embed", "wte", "wpe");

  private static final List<String> AFTER = List.of("embed_out");

  /** A whole model. */
  static RecipeSource whole(String place, Input input, Checkpoint model) {
    LayerStacks stacks = new LayerStacks(model.tensors().keySet());
    Map<String, String> names = new LinkedHashMap<>();
    Map<String, Double> positions = new HashMap<>();
    for (String name : model.tensors().keySet()) {
      names.put(name, name);
      stacks
          .place(name)
          .ifPresent(at -> positions.put(name, position(at.layer(), stacks.size(at.stack()))));
    }
    return new RecipeSource(place, input, model, names, positions);
  }

  /**
   * Some layers.
   *
   * @param before layers of the result before them; 0 for the first slice, which has what comes
   *     before all layers
   * @param last whether what comes after all layers is part of it
   * @param expected number of layers by the model's configuration
   */
  static RecipeSource slice(
      String place,
      Input input,
      Checkpoint model,
      int before,
      boolean last,
      Optional<Integer> expected) {
    LayerStacks stacks = new LayerStacks(model.tensors().keySet());
    String stack =
        stacks
            .only(expected)
            .orElseThrow(
                () ->
                    new RecipeException(
                        place,
                        input.model()
                            + " has not one stack of layers, but "
                            + stacks
                            + "; merge whole models (models:)"));
    Layers layers = input.layers().orElseThrow();
    if (layers.to() > stacks.size(stack)) {
      throw new RecipeException(
          place + ".layer_range",
          "layers %s of %s, which has %d (%s)"
              .formatted(layers, input.model(), stacks.size(stack), stack));
    }
    Map<String, String> renamed = new HashMap<>();
    Set<String> taken = new HashSet<>();
    Map<String, String> names = new LinkedHashMap<>();
    Map<String, Double> positions = new HashMap<>();
    for (String name : model.tensors().keySet()) {
      Optional<LayerStacks.Place> at = stacks.place(name).filter(p -> p.stack().equals(stack));
      int layer = at.map(LayerStacks.Place::layer).orElse(-1);
      if (layer >= layers.from() && layer < layers.to()) {
        String result = at.get().name(before + layer - layers.from());
        renamed.put(name, result);
        taken.add(name);
        names.put(result, name);
        positions.put(result, position(layer - layers.from(), layers.size()));
      } else if (at.isEmpty() && (isBefore(name) ? before == 0 : last)) {
        names.put(name, name);
        taken.add(name);
      }
    }
    Checkpoint part = model.where(taken::contains).renamed(renamed);
    return new RecipeSource(place, input, part, names, positions);
  }

  private static double position(int layer, int layers) {
    return layers == 1 ? 1 : (double) layer / (layers - 1);
  }

  private static boolean isBefore(String name) {
    return BEFORE.stream().anyMatch(name::contains) && AFTER.stream().noneMatch(name::contains);
  }

  /** The same, its tensors seen through something. */
  RecipeSource with(Checkpoint view) {
    return new RecipeSource(place, input, view, names, positions);
  }

  /** From the first layer to the last; 0 outside them. */
  double position(String name) {
    return positions.getOrDefault(name, 0.0);
  }
}
