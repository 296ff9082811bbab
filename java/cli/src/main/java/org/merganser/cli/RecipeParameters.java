// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Parameter;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/** The section {@code parameters} of a recipe, a slice or a model. */
final class RecipeParameters {
  private RecipeParameters() {}

  static Map<String, Parameter> of(YamlMap map) {
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
