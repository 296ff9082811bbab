// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.TensorInfo;

/**
 * Models of different vocabularies, given one: before they are merged, rows of embeddings and heads
 * are those of the result's tokens, by their texts. A model that has a token gives its own row;
 * else it has the row of the base, if that has the token, else of the only model that has it, else
 * the mean over those that have it. Rows without a token, which pad the embeddings of the
 * tokenizer's owner, are the owner's in every model.
 */
final class Vocabularies {
  private static final List<String> EMBEDDINGS = List.of("embed", "wte", "lm_head", "output");

  private final Map<String, ModelDirectory> models;
  private final Map<String, Vocabulary> vocabularies = new LinkedHashMap<>();
  private final Optional<String> base;
  private final String owner;
  private final Vocabulary result;
  private final int rows;

  private Vocabularies(
      Map<String, ModelDirectory> models, Optional<String> base, String owner, boolean union)
      throws IOException {
    this.models = models;
    this.base = base;
    this.owner = owner;
    for (Map.Entry<String, ModelDirectory> model : models.entrySet()) {
      Vocabulary vocabulary = Vocabulary.read(model.getValue());
      requireRows(model.getKey(), model.getValue(), vocabulary);
      vocabularies.put(model.getKey(), vocabulary);
    }
    Map<String, Integer> ids = new LinkedHashMap<>(vocabularies.get(owner).ids());
    int own = Math.max(vocabularies.get(owner).rows(), embeddingRows(models.get(owner)));
    int next = vocabularies.get(owner).rows();
    for (Vocabulary other : union ? vocabularies.values() : List.<Vocabulary>of()) {
      for (String token : other.ids().keySet()) {
        if (ids.putIfAbsent(token, next) == null) {
          next++;
        }
      }
    }
    this.result = new Vocabulary(ids);
    this.rows = Math.max(own, next);
  }

  /**
   * What a recipe wants; empty when it says nothing of vocabularies.
   *
   * @param models all of the recipe, the one named by {@code tokenizer_source} among them
   */
  static Optional<Vocabularies> of(Recipe recipe, Map<String, ModelDirectory> models)
      throws IOException {
    if (recipe.tokenizerSource().isEmpty()) {
      return Optional.empty();
    }
    String source = recipe.tokenizerSource().get();
    boolean union = source.equals("union");
    if (source.equals("base") && recipe.base().isEmpty()) {
      throw new RecipeException("tokenizer_source", "base: the recipe has no base_model");
    }
    String first = recipe.base().orElse(models.keySet().iterator().next());
    String owner = union || source.equals("base") ? first : source;
    try {
      return Optional.of(new Vocabularies(models, recipe.base(), owner, union));
    } catch (FormatException e) {
      throw new RecipeException("tokenizer_source", e.getMessage(), e);
    }
  }

  private static void requireRows(String name, ModelDirectory model, Vocabulary vocabulary) {
    int rows = embeddingRows(model);
    if (vocabulary.rows() > rows) {
      throw new FormatException(
          "%s has tokens up to %d, and %d rows of embeddings"
              .formatted(name, vocabulary.rows() - 1, rows));
    }
  }

  private static int embeddingRows(ModelDirectory model) {
    return model.checkpoint().tensors().entrySet().stream()
        .filter(tensor -> isNamedEmbedding(model, tensor.getKey()))
        .filter(tensor -> tensor.getValue().rank() == 2)
        .mapToInt(tensor -> Math.toIntExact(tensor.getValue().dim(0)))
        .max()
        .orElse(0);
  }

  private static boolean isNamedEmbedding(ModelDirectory model, String name) {
    return model.layer(name).isEmpty()
        && !name.contains("position")
        && !name.contains("wpe")
        && EMBEDDINGS.stream().anyMatch(name::contains);
  }

  /** Rows of embeddings of the result. */
  int rows() {
    return rows;
  }

  /** Whose tokenizer the result has. */
  String owner() {
    return owner;
  }

  /** Tokens that the owner's tokenizer does not have, with their rows. */
  Map<String, Integer> added() {
    Map<String, Integer> added = new LinkedHashMap<>(result.ids());
    added.keySet().removeAll(vocabularies.get(owner).ids().keySet());
    return added;
  }

  /** What is true of a token where it was added: in the first model that has it. */
  Set<String> flags(String token) {
    return vocabularies.values().stream()
        .filter(vocabulary -> vocabulary.ids().containsKey(token))
        .findFirst()
        .map(vocabulary -> vocabulary.flags().getOrDefault(token, Set.of()))
        .orElse(Set.of());
  }

  /** A model with the rows of the result. */
  Checkpoint view(String reference) {
    ModelDirectory model = models.get(reference);
    int own = embeddingRows(model);
    List<String> tensors = new ArrayList<>();
    for (Map.Entry<String, TensorInfo> tensor : model.checkpoint().tensors().entrySet()) {
      TensorInfo info = tensor.getValue();
      if (isNamedEmbedding(model, tensor.getKey()) && info.rank() > 0 && info.dim(0) == own) {
        tensors.add(tensor.getKey());
      }
    }
    return new ReindexedCheckpoint(model.checkpoint(), tensors, sources(reference));
  }

  /** For each row of the result where it comes from. */
  private List<RowSource> sources(String reference) {
    RowSource[] sources = new RowSource[rows];
    result.ids().forEach((token, row) -> sources[row] = source(reference, token));
    Checkpoint padding = models.get(owner).checkpoint();
    int most = embeddingRows(models.get(owner));
    for (int row = 0; row < rows; row++) {
      if (sources[row] == null) {
        sources[row] =
            row < most ? RowSource.of(padding, row) : new RowSource(List.of(), List.of());
      }
    }
    return List.of(sources);
  }

  private RowSource source(String reference, String token) {
    for (String name : base.isPresent() ? List.of(reference, base.get()) : List.of(reference)) {
      Integer row = vocabularies.get(name).ids().get(token);
      if (row != null) {
        return RowSource.of(models.get(name).checkpoint(), row);
      }
    }
    List<Checkpoint> owners = new ArrayList<>();
    List<Integer> at = new ArrayList<>();
    vocabularies.forEach(
        (name, vocabulary) -> {
          Integer row = vocabulary.ids().get(token);
          if (row != null) {
            owners.add(models.get(name).checkpoint());
            at.add(row);
          }
        });
    return new RowSource(owners, at);
  }

  /**
   * The mean of some rows; of none it is 0.
   *
   * @param models one for each row
   */
  record RowSource(List<Checkpoint> models, List<Integer> rows) {
    RowSource {
      models = List.copyOf(models);
      rows = List.copyOf(rows);
    }

    static RowSource of(Checkpoint model, int row) {
      return new RowSource(List.of(model), List.of(row));
    }

    /** Whether this is the row after another one, of the same model. */
    boolean follows(RowSource other) {
      return models.size() == 1
          && other.models.size() == 1
          && models.get(0) == other.models.get(0)
          && rows.get(0) == other.rows.get(0) + 1;
    }
  }
}
