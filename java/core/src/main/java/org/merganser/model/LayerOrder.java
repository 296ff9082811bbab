// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.merganser.model.LayerChains.Chain;
import org.merganser.model.LayerChains.Layer;
import org.merganser.model.LayerChains.Search;

/**
 * Decides whether names and shapes prove in which order layers run.
 *
 * @param groups layers of one template each, by their numbers; groups whose words belong to the
 *     input first
 * @param chain an order by shapes alone
 */
record LayerOrder(List<List<Layer>> groups, Optional<Chain> chain) {
  private static final int OTHERS = 4;

  /** Groups to choose from at each step of a search. */
  private static final int MOST_GROUPS = 64;

  static LayerOrder of(List<Layer> layers) {
    Map<String, List<Layer>> byTemplate = new TreeMap<>();
    for (Layer layer : layers) {
      byTemplate.computeIfAbsent(layer.name().template(), t -> new ArrayList<>()).add(layer);
    }
    List<List<Layer>> groups = new ArrayList<>(byTemplate.values());
    groups.forEach(group -> group.sort(Comparator.comparing(Layer::name)));
    groups.sort(Comparator.comparingInt(group -> group.get(0).name().position().orElse(1)));
    return new LayerOrder(groups, LayerChains.byShape(layers));
  }

  /** All layers as the names suggest, whether they chain or not. */
  List<Layer> byName() {
    return groups.stream().flatMap(List::stream).toList();
  }

  /** Needs a chain. */
  LinearStack.Order order() {
    boolean tied = groups.stream().anyMatch(LayerOrder::isTied);
    if (groups.size() == 1 && !tied && LayerChains.holds(groups.get(0))) {
      return proved(groups.get(0), "the numbers in the names");
    }
    Chain shapes = chain.orElseThrow();
    if (shapes.only()) {
      return contradiction(shapes.layers())
          .map(why -> open(List.of(shapes.layers()), "the shapes admit one order only, but " + why))
          .orElseGet(() -> proved(shapes.layers(), "the shapes, which admit no other"));
    }
    Search search =
        groups.size() <= MOST_GROUPS
            ? LayerChains.orders(groups, OTHERS)
            : new Search(List.of(), false);
    // With two numbered rows the numbers of one may run against the order (a decoder's often do).
    boolean oneRow = groups.stream().filter(group -> group.size() > 1).count() == 1;
    if (oneRow && !tied && search.complete() && search.found().size() == 1) {
      List<Layer> only = search.found().get(0);
      if (contradiction(only).isEmpty()) {
        return proved(only, "the numbers in the names and the shapes together");
      }
    }
    if (search.found().isEmpty()) {
      return open(
          List.of(shapes.layers()),
          search.complete()
              ? "the shapes admit several orders, none of which fits the numbers in the names"
              : "the shapes admit several orders, too many to look through");
    }
    String possible =
        (search.complete() ? "" : "at least ")
            + search.found().size()
            + (search.found().size() == 1 ? " order fits" : " orders fit");
    return open(
        search.found(),
        possible
            + " the shapes and the numbers in the names"
            + (oneRow ? "" : ", and nothing orders layers of different names"));
  }

  private static LinearStack.Order proved(List<Layer> layers, String by) {
    return new LinearStack.Order(names(layers), true, by, List.of());
  }

  private static LinearStack.Order open(List<List<Layer>> orders, String reason) {
    List<List<String>> names = orders.stream().map(LayerOrder::names).toList();
    return new LinearStack.Order(names.get(0), false, reason, names.subList(1, names.size()));
  }

  private static List<String> names(List<Layer> layers) {
    return layers.stream().map(layer -> layer.name().name()).toList();
  }

  private static boolean isTied(List<Layer> group) {
    for (int i = 1; i < group.size(); i++) {
      if (group.get(i - 1).name().compareTo(group.get(i).name()) == 0) {
        return true;
      }
    }
    return false;
  }

  /** What in the names speaks against an order. */
  private static Optional<String> contradiction(List<Layer> order) {
    Map<String, LayerName> last = new HashMap<>();
    LayerName furthest = null;
    for (Layer layer : order) {
      LayerName name = layer.name();
      LayerName before = last.put(name.template(), name);
      if (before != null && before.compareTo(name) >= 0) {
        return Optional.of("'" + name.name() + "' would run after '" + before.name() + "'");
      }
      OptionalInt position = name.position();
      if (position.isPresent()) {
        if (furthest != null && furthest.position().getAsInt() > position.getAsInt()) {
          return Optional.of("'" + name.name() + "' would run after '" + furthest.name() + "'");
        }
        furthest = name;
      }
    }
    return Optional.empty();
  }
}
