// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Layers;

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
  static RecipeSource whole(String place, Input input, ModelDirectory model, Checkpoint tensors) {
    Map<String, String> names = new LinkedHashMap<>();
    Map<String, Double> positions = new HashMap<>();
    for (String name : tensors.tensors().keySet()) {
      names.put(name, name);
      model.layer(name).ifPresent(at -> positions.put(name, position(at, model.layers())));
    }
    return new RecipeSource(place, input, tensors, names, positions);
  }

  /**
   * Some layers.
   *
   * @param before layers of the result before them; 0 for the first slice, which has what comes
   *     before all layers
   * @param last whether what comes after all layers is part of it
   */
  static RecipeSource slice(
      String place,
      Input input,
      ModelDirectory model,
      Checkpoint tensors,
      int before,
      boolean last) {
    Layers layers = input.layers().orElseThrow();
    String prefix = model.layerPrefix().orElse("");
    if (layers.to() > model.layers()) {
      throw new RecipeException(
          place + ".layer_range",
          "layers %s of %s, which has %d%s"
              .formatted(
                  layers,
                  input.model(),
                  model.layers(),
                  prefix.isEmpty() ? "; merge whole models (models:)" : " (" + prefix + "0, ...)"));
    }
    Map<String, String> renamed = new HashMap<>();
    Map<String, String> names = new LinkedHashMap<>();
    Map<String, Double> positions = new HashMap<>();
    for (String name : tensors.tensors().keySet()) {
      int layer = model.layer(name).orElse(-1);
      if (layer >= layers.from() && layer < layers.to()) {
        int number = layer - layers.from();
        String rest = name.substring(prefix.length() + String.valueOf(layer).length());
        String result = prefix + (before + number) + rest;
        renamed.put(name, result);
        names.put(result, name);
        positions.put(result, position(number, layers.size()));
      } else if (layer < 0 && (isBefore(name) ? before == 0 : last)) {
        names.put(name, name);
      }
    }
    Set<String> taken = new HashSet<>(names.values());
    Checkpoint part = tensors.where(taken::contains).renamed(renamed);
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
