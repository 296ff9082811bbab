// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.ModelReference;
import org.merganser.io.Safetensors;
import org.merganser.lora.LoraAdapter;

/** The models of a recipe by their names in it, found and opened, with their adapters folded in. */
final class RecipeModels {
  private final Recipe recipe;
  private final MergeJob.Options options;
  private final Opened opened;
  private final Map<String, ModelDirectory> models = new LinkedHashMap<>();
  private final Map<String, LoraAdapter> adapters = new LinkedHashMap<>();
  private final Map<String, Checkpoint> bases = new LinkedHashMap<>();

  private RecipeModels(Recipe recipe, MergeJob.Options options, Opened opened) {
    this.recipe = recipe;
    this.options = options;
    this.opened = opened;
  }

  /**
   * @param opened closes what is opened
   */
  static RecipeModels open(Recipe recipe, MergeJob.Options options, Opened opened)
      throws IOException {
    RecipeModels models = new RecipeModels(recipe, options, opened);
    for (Map.Entry<String, String> reference : recipe.references().entrySet()) {
      models.open(reference.getValue(), reference.getKey());
    }
    String source = recipe.tokenizer().map(Tokenizer::source).orElse("union");
    if (!source.equals("union") && !source.equals("base")) {
      models.open("tokenizer_source", source);
    }
    return models;
  }

  private void open(String place, String reference) throws IOException {
    if (models.containsKey(reference)) {
      return;
    }
    ModelReference parsed = parse(place, reference);
    ModelDirectory model = opened.add(ModelDirectory.open(find(place, parsed)));
    if (parsed.adapter().isPresent()) {
      Path folder = find(place, parsed.adapter().get());
      LoraAdapter adapter = opened.add(LoraAdapter.open(folder));
      adapters.put(reference, adapter);
      bases.put(reference, model.checkpoint());
      model = model.with(adapter.fold(unrounded(model.checkpoint())));
    }
    models.put(reference, model);
  }

  /** As arithmetic reads it: what is rounded at the end is not rounded by an adapter before. */
  private Checkpoint unrounded(Checkpoint base) {
    boolean atTheEnd = recipe.outDtype().or(recipe::dtype).isPresent() && !options.mergekit();
    boolean doubles = base.tensors().values().stream().anyMatch(info -> info.dtype() == DType.F64);
    return atTheEnd ? base.as(doubles ? DType.F64 : DType.F32) : base;
  }

  private static ModelReference parse(String place, String reference) {
    try {
      return ModelReference.parse(reference);
    } catch (IllegalArgumentException e) {
      throw new RecipeException(place, e.getMessage(), e);
    }
  }

  private Path find(String place, ModelReference reference) {
    try {
      return options.store().resolve(reference);
    } catch (IllegalArgumentException | IOException e) {
      throw new RecipeException(place, e.getMessage(), e);
    }
  }

  Map<String, ModelDirectory> models() {
    return Collections.unmodifiableMap(models);
  }

  /**
   * Refuses models that their adapters were not trained for, where these have digests; reads the
   * models of those.
   *
   * @throws IncompatibleModelsException naming the tensors that differ
   */
  void requireBases(Workspace ws) throws IOException {
    for (Map.Entry<String, LoraAdapter> each : adapters.entrySet()) {
      each.getValue().requireBase(bases.get(each.getKey()), ws);
    }
  }

  /** Those that are folded into models, by the names of these. */
  Map<String, LoraAdapter> adapters() {
    return Collections.unmodifiableMap(adapters);
  }

  /** Knots takes differences apart; what rounding leaves there is of no low rank. */
  List<String> notes() {
    List<String> notes = new ArrayList<>();
    if (!recipe.method().equals("knots") || adapters.isEmpty()) {
      return notes;
    }
    if (adapters.size() + recipe.base().stream().count() == models.size()) {
      notes.add(
          "knots of adapters decomposes whole weights; merganser lora combine --merger knots merges"
              + " their factors, to one adapter");
    }
    List<String> rounded = adapters.keySet().stream().filter(this::isRounded).toList();
    if (!rounded.isEmpty()) {
      notes.add(
          "knots of models that are rounded with their adapters (%s): the noise of rounding can exceed its cut (smallest) and counts as directions; %s"
              .formatted(
                  Names.some(rounded),
                  options.mergekit()
                      ? "leave out --compat mergekit, and give the recipe a dtype"
                      : "give the recipe a dtype, that of the result: they are rounded at the end then"));
    }
    return notes;
  }

  private boolean isRounded(String reference) {
    Checkpoint folded = models.get(reference).checkpoint();
    return adapters.get(reference).targets().stream()
        .anyMatch(target -> folded.info(target).dtype().bits() < 32);
  }

  /** Folders and files of all that is opened. */
  List<Path> inputs() throws IOException {
    List<Path> inputs = new ArrayList<>();
    for (ModelDirectory model : models.values()) {
      inputs.add(model.path());
      inputs.addAll(files(model));
    }
    for (LoraAdapter adapter : adapters.values()) {
      inputs.add(adapter.path().orElseThrow());
      inputs.addAll(adapter.files());
    }
    return inputs;
  }

  /** Those of a model, which may lie elsewhere: links to them are in its folder. */
  static List<Path> files(ModelDirectory model) throws IOException {
    List<Path> files = new ArrayList<>(Safetensors.files(model.path()));
    model.sideFiles().forEach(name -> files.add(model.path().resolve(name)));
    return files;
  }
}
