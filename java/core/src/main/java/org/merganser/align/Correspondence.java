// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.internal.Names;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;

/**
 * Whether maps lead from one architecture into another: the same spaces, bound to the same axes,
 * their widths those of the maps.
 */
final class Correspondence {
  private Correspondence() {}

  /** Everything that does not fit, each in one line. */
  static List<String> problems(
      Architecture model, Architecture reference, Map<String, ? extends FeatureMap> maps) {
    List<String> problems = new ArrayList<>();
    for (FeatureSpace space : model.spaces()) {
      FeatureMap map = maps.get(space.id());
      if (map == null) {
        problems.add("space '" + space.id() + "' has no map");
      } else if (map.width() != space.width()) {
        problems.add(
            "space '" + space.id() + "' has width " + space.width() + ", its map " + map.width());
      }
    }
    Set<String> ids = Set.copyOf(ids(model));
    for (String id : maps.keySet()) {
      if (!ids.contains(id)) {
        problems.add("there is no space '" + id + "'");
      }
    }
    if (problems.isEmpty()) {
      checkReference(model, reference, maps, problems);
    }
    return problems;
  }

  private static void checkReference(
      Architecture model,
      Architecture reference,
      Map<String, ? extends FeatureMap> maps,
      List<String> problems) {
    List<String> ids = ids(model);
    if (!ids.equals(ids(reference))) {
      problems.add("the reference has spaces " + ids(reference) + ", the model " + ids);
      return;
    }
    Set<String> resized = resizedAxes(model, maps);
    for (FeatureSpace space : model.spaces()) {
      FeatureSpace other = reference.space(space.id());
      long width = maps.get(space.id()).referenceWidth();
      if (other.width() != width) {
        problems.add(
            "space '"
                + space.id()
                + "' has width "
                + other.width()
                + " in the reference, its map leads to "
                + width
                + (model == reference ? "; give the reference's architecture too" : ""));
      }
      if (!places(space).equals(places(other))) {
        problems.add(
            "space '"
                + space.id()
                + "' is bound to "
                + places(space)
                + ", in the reference to "
                + places(other));
      } else {
        checkBlocks(space, other, resized, problems);
      }
    }
  }

  /** Where no width changes, features stay in the places of the model. */
  private static void checkBlocks(
      FeatureSpace space, FeatureSpace other, Set<String> resized, List<String> problems) {
    for (int i = 0; i < space.bindings().size(); i++) {
      Binding binding = space.bindings().get(i);
      Binding there = other.bindings().get(i);
      if (!binding.equals(there) && !resized.contains(axis(binding))) {
        problems.add(
            "space '"
                + space.id()
                + "': "
                + Names.quote(binding.tensor())
                + " axis "
                + binding.axis()
                + " keeps its size, but "
                + binding.block()
                + " is "
                + there.block()
                + " in the reference");
      }
    }
  }

  private static Set<String> resizedAxes(
      Architecture model, Map<String, ? extends FeatureMap> maps) {
    Set<String> resized = new HashSet<>();
    for (FeatureSpace space : model.spaces()) {
      FeatureMap map = maps.get(space.id());
      if (map.width() != map.referenceWidth()) {
        space.bindings().forEach(binding -> resized.add(axis(binding)));
      }
    }
    return resized;
  }

  private static String axis(Binding binding) {
    return binding.tensor() + "#" + binding.axis();
  }

  private static List<String> ids(Architecture architecture) {
    return architecture.spaces().stream().map(FeatureSpace::id).toList();
  }

  /** What is bound, without offsets, which follow the widths. */
  private static List<String> places(FeatureSpace space) {
    return space.bindings().stream()
        .map(
            binding ->
                axis(binding)
                    + " "
                    + binding.role().id()
                    + (binding.block().repeat() == 1 ? "" : " x " + binding.block().repeat()))
        .toList();
  }
}
