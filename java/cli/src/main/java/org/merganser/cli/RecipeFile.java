// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.error.RecipeException;
import org.merganser.recipe.Fit;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Layers;
import org.merganser.recipe.Recipe.Parameter;
import org.merganser.recipe.Recipe.Slice;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;

/** A recipe in mergekit's YAML. */
final class RecipeFile {
  private final YamlFile file;
  private final YamlMap.Context context;
  private final Recipe recipe;
  private final Optional<RecipeRepair> repair;

  private RecipeFile(YamlFile file) {
    this.file = file;
    this.context = new YamlMap.Context(file);
    try {
      YamlMap map = new YamlMap(context, "", file.root());
      this.recipe = recipe(map);
      this.repair = map.optional("repair", (at, node) -> repair(map, at, node));
    } catch (RecipeException e) {
      throw e.place().startsWith(file.path().toString()) ? e : context.located(e);
    }
  }

  /**
   * @throws RecipeException with {@code file:line:column} when it is no recipe
   */
  static RecipeFile read(Path path) throws IOException {
    return new RecipeFile(YamlFile.read(path));
  }

  static RecipeFile parse(Path path, String text) {
    return new RecipeFile(YamlFile.parse(path, text));
  }

  Recipe recipe() {
    return recipe;
  }

  /** What becomes of the merged model. */
  Optional<RecipeRepair> repair() {
    return repair;
  }

  /** As it was read. */
  String text() {
    return file.text();
  }

  /** An error of the recipe with its place in the file. */
  RecipeException located(RecipeException e) {
    return context.located(e);
  }

  private static Recipe recipe(YamlMap map) {
    map.allow(RecipeKeys.known(map.names()), RecipeKeys.REFUSED);
    Map<String, Parameter> parameters = RecipeParameters.of(map);
    YamlMap merged = map.optional("modules", (at, node) -> module(map, at, node)).orElse(map);
    if (merged != map) {
      parameters.putAll(RecipeParameters.of(merged));
    }
    return new Recipe(
        map.required("merge_method", map::text),
        map.optional("base_model", (at, node) -> model(map, at, node)),
        merged.list("models", (at, node) -> input(merged.map(at, node), false)),
        merged.list("slices", (at, node) -> slice(merged.map(at, node))),
        parameters,
        map.optional("dtype", (at, node) -> type(map, at, node)),
        map.optional("out_dtype", (at, node) -> type(map, at, node)),
        RecipeTokenizer.of(map),
        map.optional("chat_template", map::text),
        map.optional("align", (at, node) -> align(map.map(at, node))),
        new Fit(
            map.optional("embeddings", (at, node) -> map.choice(at, node, List.of("common_rows")))
                .isPresent(),
            map.list("copy_from_base", (at, node) -> partOfName(map, at, node))));
  }

  private static String partOfName(YamlMap map, String at, Node node) {
    String text = map.text(at, node);
    if (text.isEmpty()) {
      throw map.at(node, at + " is empty, and so in every name");
    }
    return text;
  }

  /**
   * The module of a model that has one, which mergekit calls default: its models or slices are the
   * recipe's.
   */
  private static YamlMap module(YamlMap map, String at, Node node) {
    if (map.names().contains("models") || map.names().contains("slices")) {
      throw map.at(node, "modules beside models or slices: give one of them");
    }
    YamlMap modules = map.map(at, node);
    if (!modules.names().equals(List.of("default"))) {
      throw map.at(
          node,
          "modules "
              + modules.names()
              + ": which tensors belong to a module is in mergekit's tables of architectures, which"
              + " are not read here; write models:, which merges the tensors of all modules, with"
              + " parameters by {filter: part of a tensor's name, value: ...}, or one module named"
              + " default");
    }
    YamlMap only = modules.required("default", (inside, value) -> map.map("", value));
    only.allow(List.of("models", "slices", "parameters"), RecipeKeys.REFUSED);
    return only;
  }

  private static RecipeRepair repair(YamlMap map, String at, Node node) {
    if (!(node instanceof MappingNode)) {
      throw map.at(
          node,
          "repair runs a network that is known here, on data: give method, network and data;"
              + " others, such as LLMs, cannot be run");
    }
    return RecipeRepair.of(map.map(at, node));
  }

  private static Align align(YamlMap map) {
    map.allow(List.of("method", "architecture", "activations", "from", "element"), Map.of());
    return new Align(
        map.required("method", map::text),
        map.optional("architecture", map::text),
        map.list("activations", map::text),
        map.optional("from", (at, node) -> model(map, at, node)),
        map.optional("element", map::text));
  }

  private static Slice slice(YamlMap map) {
    map.allow(List.of("sources", "base_model", "parameters"), RecipeKeys.REFUSED);
    List<Input> sources =
        map.required(
            "sources",
            (at, node) -> map.list(at, node, (each, item) -> input(map.map(each, item), true)));
    Optional<String> base = map.optional("base_model", (at, node) -> model(map, at, node));
    return new Slice(sources, base, RecipeParameters.of(map));
  }

  private static Input input(YamlMap map, boolean layers) {
    map.allow(
        layers
            ? List.of("model", "layer_range", "parameters")
            : List.of("model", "parameters", "importance"),
        layers
            ? RecipeKeys.with(
                "importance", "importances are those of whole models; write models, not slices")
            : RecipeKeys.with(
                "layer_range", "layers are chosen in slices; write slices instead of models"));
    return new Input(
        map.required("model", (at, node) -> model(map, at, node)),
        layers
            ? Optional.of(map.required("layer_range", (at, node) -> layers(map, at, node)))
            : Optional.empty(),
        RecipeParameters.of(map),
        layers ? Optional.empty() : map.optional("importance", map::text));
  }

  private static Layers layers(YamlMap map, String at, Node node) {
    List<Integer> ends = map.list(at, node, map::integer);
    if (ends.size() != 2) {
      throw map.at(node, at + " must be [FIRST, LAST + 1], two numbers, not " + ends.size());
    }
    try {
      return new Layers(ends.get(0), ends.get(1));
    } catch (IllegalArgumentException e) {
      throw map.at(node, e.getMessage());
    }
  }

  /** The name of a model. */
  static String model(YamlMap map, String at, Node node) {
    if (node instanceof MappingNode) {
      throw map.at(node, at + " must be a text, PATH or NAME[@REVISION][+ADAPTER], not a mapping");
    }
    String text = map.text(at, node);
    if (text.isBlank()) {
      throw map.at(node, at + " is empty; name a model");
    }
    return text;
  }

  private static DType type(YamlMap map, String at, Node node) {
    String text = map.text(at, node).replaceFirst("^torch\\.", "");
    if (!Recipe.TYPES.containsKey(text)) {
      map.choice(at, node, List.copyOf(Recipe.TYPES.keySet()));
    }
    return Recipe.TYPES.get(text);
  }
}
