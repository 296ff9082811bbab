// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The numbered layers of a model, from the names of its tensors: {@code model.layers.3.mlp.up} lies
 * in layer 3 of the stack {@code model.layers.}. A stack has layers 0 to n - 1, all of them.
 */
final class LayerStacks {
  private static final int DIGITS = 6;

  private final Map<String, Integer> layers = new TreeMap<>();

  /** Where a tensor lies: the first number of its name that is not the first part of it. */
  record Place(String stack, int layer, String rest) {
    String name(int other) {
      return stack + other + "." + rest;
    }
  }

  LayerStacks(Collection<String> names) {
    Map<String, TreeSet<Integer>> found = new TreeMap<>();
    names.forEach(
        name ->
            parse(name)
                .ifPresent(
                    at -> found.computeIfAbsent(at.stack, s -> new TreeSet<>()).add(at.layer)));
    found.forEach(
        (stack, numbers) -> {
          if (numbers.first() == 0 && numbers.last() == numbers.size() - 1) {
            layers.put(stack, numbers.size());
          }
        });
  }

  private static Optional<Place> parse(String name) {
    int from = name.indexOf('.') + 1;
    for (int dot; (dot = name.indexOf('.', from)) >= 0 && from > 0; from = dot + 1) {
      String part = name.substring(from, dot);
      boolean number =
          !part.isEmpty()
              && part.length() <= DIGITS
              && part.chars().allMatch(c -> c >= '0' && c <= '9')
              && (part.length() == 1 || part.charAt(0) != '0');
      if (number) {
        return Optional.of(
            new Place(name.substring(0, from), Integer.parseInt(part), name.substring(dot + 1)));
      }
    }
    return Optional.empty();
  }

  /** Where a tensor lies; empty before and after the layers. */
  Optional<Place> place(String name) {
    return parse(name).filter(place -> layers.containsKey(place.stack));
  }

  /** Layers of a stack. */
  int size(String stack) {
    return layers.get(stack);
  }

  /**
   * The one stack of a model.
   *
   * @param expected number of layers as the model's configuration says, by which it is chosen
   */
  Optional<String> only(Optional<Integer> expected) {
    if (layers.size() == 1) {
      return layers.keySet().stream().findFirst();
    }
    var fitting =
        layers.entrySet().stream()
            .filter(stack -> expected.isPresent() && expected.get().equals(stack.getValue()))
            .map(Map.Entry::getKey)
            .toList();
    return fitting.size() == 1 ? Optional.of(fitting.get(0)) : Optional.empty();
  }

  @Override
  public String toString() {
    return layers.isEmpty()
        ? "no layers 0, 1, ..."
        : layers.entrySet().stream()
            .map(stack -> stack.getKey() + " (" + stack.getValue() + ")")
            .collect(Collectors.joining(", "));
  }
}
