// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;

/**
 * Models of different vocabularies, given one: before they are merged, rows of embeddings and heads
 * are those of the result's tokens, by their texts. A model that has a token gives its own row;
 * else it has the row of the base, if that has the token, else of the only model that has it, else
 * the mean over those that have it. Rows without a token, which pad the embeddings of the
 * tokenizer's owner, are the owner's in every model; those that make their number a multiple of
 * something are the mean of all tokens. A recipe may give rows of some tokens other sources.
 */
final class Vocabularies {
  private static final String PLACE = "tokenizer_source";
  private static final String UNION = "union";
  private static final String BASE = "base";

  private final Map<String, ModelDirectory> models;
  private final Map<String, Vocabulary> vocabularies = new LinkedHashMap<>();
  private final Optional<String> base;
  private final String owner;
  private final Tokenizer tokenizer;
  private final Vocabulary result;

  /** Of tokens and of the owner's padding. */
  private final int rows;

  private Vocabularies(
      Map<String, ModelDirectory> models, Optional<String> base, String owner, Tokenizer tokenizer)
      throws IOException {
    this.models = models;
    this.base = base;
    this.owner = owner;
    this.tokenizer = tokenizer;
    for (Map.Entry<String, ModelDirectory> model : models.entrySet()) {
      Vocabulary vocabulary = Vocabulary.read(model.getValue());
      requireRows(model.getKey(), model.getValue(), vocabulary);
      vocabularies.put(model.getKey(), vocabulary);
    }
    Set<String> tokens = new LinkedHashSet<>();
    if (tokenizer.source().equals(UNION)) {
      vocabularies.values().forEach(other -> tokens.addAll(other.ids().keySet()));
    }
    tokens.addAll(tokenizer.tokens().keySet());
    Map<String, Integer> ids = new LinkedHashMap<>(vocabularies.get(owner).ids());
    int next = vocabularies.get(owner).rows();
    for (String token : tokens) {
      if (ids.putIfAbsent(token, next) == null) {
        next++;
      }
    }
    this.result = new Vocabulary(ids);
    this.rows = Math.max(next, Embeddings.rows(models.get(owner)));
    tokenizer.tokens().forEach(this::row);
  }

  /**
   * What a recipe wants; empty when it says nothing of vocabularies.
   *
   * @param models all of the recipe, the one named by {@code tokenizer_source} among them
   */
  static Optional<Vocabularies> of(Recipe recipe, Map<String, ModelDirectory> models)
      throws IOException {
    if (recipe.tokenizer().isEmpty()) {
      return Optional.empty();
    }
    Tokenizer tokenizer = recipe.tokenizer().get();
    String source = tokenizer.source();
    if (source.equals(BASE) && recipe.base().isEmpty()) {
      throw new RecipeException(PLACE, "base: the recipe has no base_model");
    }
    String first = recipe.base().orElse(models.keySet().iterator().next());
    String owner = source.equals(UNION) || source.equals(BASE) ? first : source;
    try {
      return Optional.of(new Vocabularies(models, recipe.base(), owner, tokenizer));
    } catch (FormatException e) {
      throw new RecipeException(PLACE, e.getMessage(), e);
    }
  }

  private static void requireRows(String name, ModelDirectory model, Vocabulary vocabulary) {
    int rows = Embeddings.rows(model);
    if (vocabulary.rows() > rows) {
      throw new FormatException(
          "%s has tokens up to %d, and %d rows of embeddings"
              .formatted(name, vocabulary.rows() - 1, rows));
    }
  }

  /** Rows of embeddings of the result. */
  int rows() {
    int multiple = tokenizer.multiple();
    return Math.multiplyExact((rows + multiple - 1) / multiple, multiple);
  }

  /** Of those, what is the mean of all tokens. */
  int padding() {
    return rows() - rows;
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

  /**
   * What is true of a token where it was added: in the first model that has it. One that no model
   * added is looked for in texts as the tokenizer normalises them, as those that Python adds.
   */
  Set<String> flags(String token) {
    return vocabularies.values().stream()
        .filter(vocabulary -> vocabulary.ids().containsKey(token))
        .findFirst()
        .flatMap(vocabulary -> Optional.ofNullable(vocabulary.flags().get(token)))
        .orElse(Set.of("normalized"));
  }

  /** A model with the rows of the result. */
  Checkpoint view(String reference) {
    ModelDirectory model = models.get(reference);
    return new ReindexedCheckpoint(
        model.checkpoint(), Embeddings.of(model), sources(reference), tokens(), padding());
  }

  /** Rows that have a token. */
  private BitSet tokens() {
    BitSet tokens = new BitSet();
    result.ids().values().forEach(tokens::set);
    return tokens;
  }

  /** For each row of the result where it comes from. */
  private List<RowSource> sources(String reference) {
    RowSource[] sources = new RowSource[rows];
    result.ids().forEach((token, row) -> sources[row] = source(reference, token));
    Checkpoint padding = models.get(owner).checkpoint();
    int most = Embeddings.rows(models.get(owner));
    for (int row = 0; row < rows; row++) {
      if (sources[row] == null) {
        sources[row] = row < most ? RowSource.of(padding, row) : RowSource.ZERO;
      }
    }
    return List.of(sources);
  }

  private RowSource source(String reference, String token) {
    Optional<Tokenizer.Row> asked = Optional.ofNullable(tokenizer.tokens().get(token));
    Optional<RowSource> own = row(reference, token);
    if (own.isPresent() && asked.filter(Tokenizer.Row::force).isEmpty()) {
      return own.get();
    }
    if (asked.isPresent()) {
      return row(token, asked.get());
    }
    return base.flatMap(name -> row(name, token)).orElseGet(() -> mean(token));
  }

  private Optional<RowSource> row(String reference, String token) {
    return Optional.ofNullable(vocabularies.get(reference).ids().get(token))
        .map(row -> RowSource.of(models.get(reference).checkpoint(), row));
  }

  /** What the recipe wants for a token. */
  private RowSource row(String token, Tokenizer.Row wanted) {
    if (wanted.model().isEmpty()) {
      return RowSource.ZERO;
    }
    String name = wanted.model().get();
    String place = Tokenizer.place(token);
    if (!models.containsKey(name)) {
      throw new RecipeException(place, Names.quote(name) + " is no model of the recipe");
    }
    if (wanted.id().isPresent()) {
      int most = Embeddings.rows(models.get(name));
      if (wanted.id().get() < 0 || wanted.id().get() >= most) {
        throw new RecipeException(
            place, "token_id %d: %s has %d rows".formatted(wanted.id().get(), name, most));
      }
      return RowSource.of(models.get(name).checkpoint(), wanted.id().get());
    }
    String text = wanted.token().orElse(token);
    return row(name, text)
        .orElseThrow(() -> new RecipeException(place, name + " has no token " + Names.quote(text)));
  }

  /** Over those that have it. */
  private RowSource mean(String token) {
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
    static final RowSource ZERO = new RowSource(List.of(), List.of());

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
