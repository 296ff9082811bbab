// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.error.RecipeException;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Layers;
import org.merganser.recipe.Recipe.Parameter;
import org.merganser.recipe.Recipe.Slice;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/** A recipe in mergekit's YAML. */
final class RecipeFile {
  private static final String OPTION = "says how a merge runs, which the command line does: ";
  private static final String NOT_HERE = "belongs to mergekit's Python, drop it";

  /** Keys of other files and versions. */
  private static final Map<String, String> REFUSED =
      Map.ofEntries(
          Map.entry("modules", "models of several modules are not merged; write models or slices"),
          Map.entry(
              "tokenizer",
              "write tokenizer_source: union, base or a model; tokens of one's own and padding are"
                  + " not set here"),
          Map.entry("name", "several recipes in one file (mergekit-multi) are not read"),
          Map.entry("random_seed", "write seed under parameters"),
          Map.entry("seed", "write seed under parameters"),
          Map.entry("normalize", "write it under parameters"),
          Map.entry("int8_mask", "write it under parameters, where it has no effect"),
          Map.entry("weight", "write it under parameters"),
          Map.entry("density", "write it under parameters"),
          Map.entry("out_shard_size", OPTION + "--max-shard"),
          Map.entry("num_threads", OPTION + "--threads"),
          Map.entry("cuda", NOT_HERE),
          Map.entry("device", NOT_HERE),
          Map.entry("low_cpu_memory", NOT_HERE),
          Map.entry("lazy_unpickle", NOT_HERE),
          Map.entry("allow_crimes", NOT_HERE),
          Map.entry("trust_remote_code", NOT_HERE),
          Map.entry("clone_tensors", NOT_HERE),
          Map.entry(
              "repair",
              "repairs run a network, which a recipe does not describe: 'merge A B --repair' with"
                  + " --network and --data"),
          Map.entry("residual_weight", "mergekit reads it and does nothing with it; drop it"),
          Map.entry(
              "override_architecture", "names of tensors tell the architecture here; drop it"));

  private final YamlFile file;
  private final YamlMap.Context context;
  private final Recipe recipe;

  private RecipeFile(YamlFile file) {
    this.file = file;
    this.context = new YamlMap.Context(file);
    try {
      this.recipe = recipe(new YamlMap(context, "", file.root()));
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

  /** As it was read. */
  String text() {
    return file.text();
  }

  /** An error of the recipe with its place in the file. */
  RecipeException located(RecipeException e) {
    return context.located(e);
  }

  private static Recipe recipe(YamlMap map) {
    map.allow(
        List.of(
            "merge_method",
            "base_model",
            "models",
            "slices",
            "parameters",
            "dtype",
            "out_dtype",
            "tokenizer_source",
            "chat_template",
            "align"),
        REFUSED);
    return new Recipe(
        map.required("merge_method", map::text),
        map.optional("base_model", (at, node) -> model(map, at, node)),
        map.list("models", (at, node) -> input(map.map(at, node), false)),
        map.list("slices", (at, node) -> slice(map.map(at, node))),
        parameters(map),
        map.optional("dtype", (at, node) -> type(map, at, node)),
        map.optional("out_dtype", (at, node) -> type(map, at, node)),
        map.optional("tokenizer_source", (at, node) -> model(map, at, node)),
        map.optional("chat_template", map::text),
        map.optional("align", (at, node) -> align(map.map(at, node))));
  }

  private static Align align(YamlMap map) {
    map.allow(List.of("method", "architecture", "activations"), Map.of());
    return new Align(
        map.required("method", map::text),
        map.optional("architecture", map::text),
        map.list("activations", map::text));
  }

  private static Slice slice(YamlMap map) {
    map.allow(List.of("sources", "base_model", "parameters"), REFUSED);
    List<Input> sources =
        map.required(
            "sources",
            (at, node) -> map.list(at, node, (each, item) -> input(map.map(each, item), true)));
    Optional<String> base = map.optional("base_model", (at, node) -> model(map, at, node));
    return new Slice(sources, base, parameters(map));
  }

  private static Input input(YamlMap map, boolean layers) {
    map.allow(
        layers ? List.of("model", "layer_range", "parameters") : List.of("model", "parameters"),
        layers
            ? REFUSED
            : with("layer_range", "layers are chosen in slices; write slices instead of models"));
    return new Input(
        map.required("model", (at, node) -> model(map, at, node)),
        layers
            ? Optional.of(map.required("layer_range", (at, node) -> layers(map, at, node)))
            : Optional.empty(),
        parameters(map));
  }

  private static Map<String, String> with(String key, String reason) {
    Map<String, String> all = new LinkedHashMap<>(REFUSED);
    all.put(key, reason);
    return all;
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

  private static String model(YamlMap map, String at, Node node) {
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

  private static Map<String, Parameter> parameters(YamlMap map) {
    Map<String, Parameter> all = new LinkedHashMap<>();
    Optional<YamlMap> given = map.optional("parameters", map::map);
    for (String name : given.map(YamlMap::names).orElse(List.of())) {
      all.put(name, given.get().required(name, (at, node) -> parameter(map, at, node)));
    }
    return all;
  }

  /** A value, a list of values, or cases. */
  private static Parameter parameter(YamlMap map, String at, Node node) {
    if (node instanceof MappingNode) {
      return new Parameter(List.of(oneCase(map.map(at, node))));
    }
    boolean cases =
        node instanceof SequenceNode list
            && !list.getValue().isEmpty()
            && list.getValue().get(0) instanceof MappingNode;
    return new Parameter(
        cases
            ? map.list(at, node, (each, item) -> oneCase(map.map(each, item)))
            : List.of(new Case(Optional.empty(), values(map, at, node))));
  }

  private static Case oneCase(YamlMap map) {
    map.allow(List.of("filter", "value"), Map.of());
    return new Case(
        map.optional("filter", map::text),
        map.required("value", (at, node) -> values(map, at, node)));
  }

  private static List<Object> values(YamlMap map, String at, Node node) {
    List<Object> values =
        node instanceof SequenceNode
            ? map.list(at, node, map::scalar)
            : new ArrayList<>(List.of(map.scalar(at, node)));
    if (values.stream().map(Object::getClass).distinct().count() > 1) {
      throw map.at(node, at + " must hold values of one kind, not " + values);
    }
    return values;
  }
}
