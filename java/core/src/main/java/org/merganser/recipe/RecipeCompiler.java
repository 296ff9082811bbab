// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Slice;

/** Divides a recipe into merges of slices, and finds what each of their models gives. */
final class RecipeCompiler {
  private final Recipe recipe;
  private final RecipeMethod method;
  private final Map<String, ModelDirectory> models;
  private final ModelTensors tensors;

  RecipeCompiler(
      Recipe recipe,
      RecipeMethod method,
      Map<String, ModelDirectory> models,
      ModelTensors tensors) {
    this.recipe = recipe;
    this.method = method;
    this.models = models;
    this.tensors = tensors;
  }

  List<SliceMerge> compile() {
    return recipe.slices().isEmpty() ? List.of(whole()) : slices();
  }

  private SliceMerge whole() {
    List<RecipeSource> sources = new ArrayList<>();
    for (int m = 0; m < recipe.models().size(); m++) {
      Input input = recipe.models().get(m);
      String place = "models[" + m + "]";
      if (input.layers().isPresent()) {
        throw new RecipeException(
            place + ".layer_range",
            "layers are chosen in slices; write slices: instead of models:");
      }
      sources.add(whole(place, input));
    }
    Optional<String> base = recipe.base();
    if (base.isPresent() && sources.stream().noneMatch(s -> s.input().model().equals(base.get()))) {
      requireUsed(sources.size());
      Input input = Input.of(base.get());
      sources.add(whole("base_model", input));
    }
    return new SliceMerge("models", method, sources, base, List.of(global()), recipe.fit());
  }

  private RecipeSource whole(String place, Input input) {
    ModelDirectory model = models.get(input.model());
    return RecipeSource.whole(place, input, model, tensors.of(input.model()));
  }

  private void requireUsed(int models) {
    var needs = method.needs(true);
    boolean second = needs.fewest() == models + 1 && needs.most() == models + 1;
    if (!needs.base() && !second) {
      throw new RecipeException(
          "base_model",
          recipe.method()
              + " uses no base; list "
              + recipe.base().get()
              + " under models if it is to be merged, or take base_model out");
    }
  }

  private List<SliceMerge> slices() {
    List<SliceMerge> merges = new ArrayList<>();
    int layers = 0;
    for (int s = 0; s < recipe.slices().size(); s++) {
      Slice slice = recipe.slices().get(s);
      List<RecipeSource> sources = new ArrayList<>();
      for (int i = 0; i < slice.sources().size(); i++) {
        sources.add(source(s, i, layers));
      }
      Optional<String> base = slice.base().or(recipe::base);
      requireBase(s, base);
      requireEnd(s, base);
      List<RecipeMethod.Level> common =
          List.of(
              new RecipeMethod.Level(slicePlace(s) + ".parameters", slice.parameters()), global());
      merges.add(new SliceMerge(slicePlace(s), method, sources, base, common, recipe.fit()));
      layers += slice.sources().get(0).layers().orElseThrow().size();
    }
    return merges;
  }

  private RecipeSource source(int s, int i, int layersBefore) {
    Slice slice = recipe.slices().get(s);
    Input input = slice.sources().get(i);
    String place = slicePlace(s) + ".sources[" + i + "]";
    if (input.layers().isEmpty()) {
      throw new RecipeException(place, "no layer_range; write layer_range: [0, 32] for 32 layers");
    }
    Recipe.Layers first = slice.sources().get(0).layers().orElseThrow();
    if (input.layers().get().size() != first.size()) {
      throw new RecipeException(
          place + ".layer_range",
          "%d layers, where the first source of the slice has %d"
              .formatted(input.layers().get().size(), first.size()));
    }
    ModelDirectory model = models.get(input.model());
    boolean last = s == recipe.slices().size() - 1;
    Checkpoint view = tensors.of(input.model());
    return RecipeSource.slice(place, input, model, view, layersBefore, last);
  }

  private void requireBase(int s, Optional<String> base) {
    boolean listed =
        base.isPresent()
            && recipe.slices().get(s).sources().stream()
                .anyMatch(source -> source.model().equals(base.get()));
    if (base.isPresent() && method.needs(true).base() && !listed) {
      throw new RecipeException(
          slicePlace(s) + ".sources",
          "the base "
              + base.get()
              + " is not among the sources; list it with the layers that these are compared with");
    }
  }

  /** A method of two that takes a base as one of them would ignore this one. */
  private void requireEnd(int s, Optional<String> base) {
    Slice slice = recipe.slices().get(s);
    if (base.isPresent()
        && !method.needs(true).base()
        && method.needs(true).most() == 2
        && slice.sources().stream().noneMatch(source -> source.model().equals(base.get()))) {
      throw new RecipeException(
          slicePlace(s) + ".sources",
          "%s takes the base, %s, as the first of its two models, and it is not among the sources; list it with its layers, or take base_model out"
              .formatted(recipe.method(), base.get()));
    }
  }

  static String slicePlace(int s) {
    return "slices[" + s + "]";
  }

  private RecipeMethod.Level global() {
    return new RecipeMethod.Level("parameters", recipe.parameters());
  }
}
