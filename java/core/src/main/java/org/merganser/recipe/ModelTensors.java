// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;

/**
 * The tensors of models as they are merged: heads of models that share them with their embeddings,
 * where others do not; the rows of the result's vocabulary, or those that all have; without
 * constants that some files repeat and others do not.
 */
final class ModelTensors {
  private static final String HEAD = "lm_head.weight";
  private static final String EMBEDDINGS = "model.embed_tokens.weight";

  /** Frequencies of rotary embeddings follow from the configuration. */
  private static final Predicate<String> CONSTANT =
      Pattern.compile("rotary_emb\\.(inv_freq|cos_cached|sin_cached)$").asPredicate();

  private final Map<String, ModelDirectory> models;

  /** With heads. */
  private final Map<String, ModelDirectory> headed = new LinkedHashMap<>();

  private final Optional<Vocabularies> vocabularies;

  /** To which embeddings are cut, by name. */
  private final Map<String, Long> rows;

  private final Map<String, Checkpoint> replaced = new HashMap<>();
  private final Set<String> notes = new LinkedHashSet<>();

  ModelTensors(Recipe recipe, Map<String, ModelDirectory> models) throws IOException {
    this.models = models;
    models.forEach((name, model) -> headed.put(name, headed(name, model)));
    this.vocabularies = Vocabularies.of(recipe, headed);
    if (recipe.fit().commonRows() && vocabularies.isPresent()) {
      throw new RecipeException(
          "embeddings", "the vocabulary decides which rows embeddings have; give one of the two");
    }
    this.rows = recipe.fit().commonRows() ? commonRows() : Map.of();
    requireFound(recipe.fit().copied());
  }

  private void requireFound(List<String> filters) {
    for (int f = 0; f < filters.size(); f++) {
      String filter = filters.get(f);
      if (headed.values().stream()
          .flatMap(model -> model.checkpoint().tensors().keySet().stream())
          .noneMatch(name -> name.contains(filter))) {
        throw new RecipeException(
            "copy_from_base[" + f + "]", Names.quote(filter) + " is in the name of no tensor");
      }
    }
  }

  private ModelDirectory headed(String reference, ModelDirectory model) {
    Checkpoint own = model.checkpoint();
    if (!isTied(own) || !hasHead()) {
      return model;
    }
    notes.add(reference + " has no " + HEAD + ": its embeddings are merged as its head");
    Checkpoint head = own.where(EMBEDDINGS::equals).renamed(Map.of(EMBEDDINGS, HEAD));
    return model.with(JoinedCheckpoint.of(List.of(own, head)));
  }

  private Map<String, Long> commonRows() {
    Map<String, Long> least = new LinkedHashMap<>();
    Set<String> cut = new LinkedHashSet<>();
    for (ModelDirectory model : headed.values()) {
      for (String name : Embeddings.of(model)) {
        long own = model.checkpoint().info(name).dim(0);
        Long before = least.putIfAbsent(name, own);
        if (before != null && before != own) {
          least.put(name, Math.min(before, own));
          cut.add(name);
        }
      }
    }
    cut.forEach(
        name ->
            notes.add(
                name
                    + " is cut to "
                    + least.get(name)
                    + " rows, which all have: tokens beyond"
                    + " have none in the result"));
    least.keySet().retainAll(cut);
    return least;
  }

  /** Rows of embeddings of the result, where they are not those of its models. */
  Optional<Integer> embeddingRows() {
    return vocabularies.isPresent()
        ? vocabularies.map(Vocabularies::rows)
        : rows.values().stream().map(Math::toIntExact).min(Integer::compare);
  }

  Optional<Vocabularies> vocabularies() {
    return vocabularies;
  }

  /** From now on these are read instead of the models of those names. */
  void replace(Map<String, Checkpoint> others, List<String> reasons) {
    replaced.putAll(others);
    notes.addAll(reasons);
  }

  Checkpoint of(String reference) {
    if (replaced.containsKey(reference)) {
      return replaced.get(reference);
    }
    Checkpoint all = headed.get(reference).checkpoint();
    Checkpoint tensors = vocabularies.isPresent() ? vocabularies.get().view(reference) : cut(all);
    if (all.tensors().keySet().stream().anyMatch(this::isLeftOut)) {
      notes.add(
          "constants of rotary embeddings, which not all models store, are left out of the result");
      tensors = tensors.where(name -> !isLeftOut(name));
    }
    return tensors;
  }

  private Checkpoint cut(Checkpoint model) {
    Map<String, Long> own = new LinkedHashMap<>(rows);
    own.keySet().retainAll(model.tensors().keySet());
    return LeadingRows.of(model, own);
  }

  private static boolean isTied(Checkpoint model) {
    return !model.tensors().containsKey(HEAD) && model.tensors().containsKey(EMBEDDINGS);
  }

  private boolean isLeftOut(String name) {
    return CONSTANT.test(name)
        && !models.values().stream()
            .allMatch(model -> model.checkpoint().tensors().containsKey(name));
  }

  private boolean hasHead() {
    return models.values().stream()
        .anyMatch(model -> model.checkpoint().tensors().containsKey(HEAD));
  }

  /**
   * Whether the result has a head of its own, where a model shares its with its embeddings, or the
   * configuration says so.
   */
  boolean unties(ModelDirectory donor, Checkpoint result) {
    boolean tied =
        donor.config().tiedEmbeddings().orElse(false)
            || models.values().stream().anyMatch(model -> isTied(model.checkpoint()));
    return tied && result.tensors().containsKey(HEAD);
  }

  List<String> notes() {
    return new ArrayList<>(notes);
  }
}
