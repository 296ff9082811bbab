// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.recipe.Tokenizer;
import org.merganser.recipe.Tokenizer.Row;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;

/**
 * What a recipe says of vocabularies: {@code tokenizer_source}, or the mapping {@code tokenizer}.
 */
final class RecipeTokenizer {
  private RecipeTokenizer() {}

  static Optional<Tokenizer> of(YamlMap recipe) {
    Optional<Tokenizer> plain =
        recipe
            .optional("tokenizer_source", (at, node) -> RecipeFile.model(recipe, at, node))
            .map(Tokenizer::of);
    Optional<Tokenizer> section =
        recipe.optional(
            "tokenizer",
            (at, node) -> {
              if (plain.isPresent()) {
                throw recipe.at(node, "tokenizer beside tokenizer_source: give one of them");
              }
              // What is wrong with its source is told of this key.
              recipe.map("tokenizer_source", node);
              return section(recipe.map(at, node));
            });
    return plain.isPresent() ? plain : section;
  }

  private static Tokenizer section(YamlMap map) {
    map.allow(List.of("source", "tokens", "pad_to_multiple_of"), Map.of());
    String source =
        map.optional("source", (at, node) -> RecipeFile.model(map, at, node)).orElse("union");
    Map<String, Row> tokens = new LinkedHashMap<>();
    Optional<YamlMap> given = map.optional("tokens", map::map);
    for (String token : given.map(YamlMap::names).orElse(List.of())) {
      tokens.put(token, given.get().required(token, (at, node) -> token(map.map(at, node))));
    }
    Optional<Integer> multiple =
        map.optional("pad_to_multiple_of", (at, node) -> multiple(map, at, node));
    return new Tokenizer(source, tokens, multiple.orElse(1));
  }

  private static int multiple(YamlMap map, String at, Node node) {
    int multiple = map.integer(at, node);
    try {
      Tokenizer.of("").paddedTo(multiple);
    } catch (IllegalArgumentException e) {
      throw map.at(node, at + ": " + e.getMessage());
    }
    return multiple;
  }

  private static Row token(YamlMap map) {
    map.allow(List.of("source", "force"), Map.of());
    Row row = map.required("source", (at, node) -> source(map, at, node));
    boolean force = map.optional("force", (at, node) -> truth(map, at, node)).orElse(false);
    return force ? row.forced() : row;
  }

  private static boolean truth(YamlMap map, String at, Node node) {
    if (map.scalar(at, node) instanceof Boolean value) {
      return value;
    }
    throw map.at(node, at + " must be true or false");
  }

  private static Row source(YamlMap map, String at, Node node) {
    if (!(node instanceof MappingNode)) {
      return Row.of(RecipeFile.model(map, at, node));
    }
    YamlMap source = map.map(at, node);
    String kind =
        source.required(
            "kind", (k, value) -> source.choice(k, value, List.of("zero", "model_token")));
    if (kind.equals("zero")) {
      source.allow(List.of("kind"), Map.of());
      return Row.zero();
    }
    source.allow(List.of("kind", "model", "token", "token_id"), Map.of());
    String model = source.required("model", (m, value) -> RecipeFile.model(source, m, value));
    Optional<String> token = source.optional("token", source::text);
    Optional<Integer> id = source.optional("token_id", source::integer);
    if (token.isPresent() == id.isPresent()) {
      throw map.at(node, at + ": give one of token and token_id");
    }
    return id.isPresent() ? Row.of(model, id.get()) : Row.of(model, token.get());
  }
}
