// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;

/**
 * The tensors of models as they are merged: with the rows of the result's vocabulary; heads of
 * models that share them with their embeddings, where others do not; without constants that some
 * files repeat and others do not.
 */
final class ModelTensors {
  private static final String HEAD = "lm_head.weight";
  private static final String EMBEDDINGS = "model.embed_tokens.weight";

  /** Frequencies of rotary embeddings follow from the configuration. */
  private static final Predicate<String> CONSTANT =
      Pattern.compile("rotary_emb\\.(inv_freq|cos_cached|sin_cached)$").asPredicate();

  private final Map<String, ModelDirectory> models;
  private final Optional<Vocabularies> vocabularies;
  private final Map<String, Checkpoint> replaced = new HashMap<>();
  private final Set<String> notes = new LinkedHashSet<>();

  ModelTensors(Map<String, ModelDirectory> models, Optional<Vocabularies> vocabularies) {
    this.models = models;
    this.vocabularies = vocabularies;
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
    Checkpoint all = models.get(reference).checkpoint();
    Checkpoint tensors = vocabularies.isPresent() ? vocabularies.get().view(reference) : all;
    if (isTied(all) && hasHead()) {
      notes.add(reference + " has no " + HEAD + ": its embeddings are merged as its head");
      Checkpoint head = tensors.where(EMBEDDINGS::equals).renamed(Map.of(EMBEDDINGS, HEAD));
      tensors = JoinedCheckpoint.of(List.of(tensors, head));
    }
    if (all.tensors().keySet().stream().anyMatch(this::isLeftOut)) {
      notes.add(
          "constants of rotary embeddings, which not all models store, are left out of the result");
      tensors = tensors.where(name -> !isLeftOut(name));
    }
    return tensors;
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
