// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.model.Architecture.BoundAxis;

/** Looks for bindings that were forgotten. One pass over the tensors. */
final class Completeness {
  private static final int SHOWN = 6;

  private Completeness() {}

  static List<String> doubts(Architecture architecture, Checkpoint checkpoint) {
    List<String> doubts = new ArrayList<>();
    Map<Long, List<String>> spacesOfWidth = new TreeMap<>();
    for (FeatureSpace space : architecture.spaces()) {
      if (space.symmetry() == MapFamily.FIXED) {
        continue;
      }
      spacesOfWidth.computeIfAbsent(space.width(), w -> new ArrayList<>()).add(space.id());
      if (space.bindings().stream().noneMatch(b -> b.role() == Role.WEIGHT_IN)) {
        doubts.add(
            "space '"
                + space.id()
                + "': no weight reads it (no weight-in binding), so its map changes what the"
                + " network computes; a binding is missing, or it is an output and should be"
                + " fixed");
      }
      if (space.bindings().stream().noneMatch(b -> b.role() == Role.WEIGHT_OUT)) {
        doubts.add(
            "space '"
                + space.id()
                + "': no weight writes it (no weight-out binding), so its readers are mapped and"
                + " its features are not; a binding is missing, or it is an input and should be"
                + " fixed");
      }
    }
    Map<Long, List<String>> unbound = unboundAxes(architecture, checkpoint, spacesOfWidth);
    unbound.forEach(
        (width, axes) ->
            doubts.add(
                axes.size()
                    + (axes.size() == 1 ? " axis has" : " axes have")
                    + " "
                    + width
                    + " entries that nothing binds, as many as "
                    + (spacesOfWidth.get(width).size() == 1 ? "space " : "spaces ")
                    + some(spacesOfWidth.get(width))
                    + ": "
                    + some(axes)
                    + "; right for inputs and outputs, else a binding is missing"));
    return doubts;
  }

  /** By number of entries; a width of 1 says nothing. */
  private static Map<Long, List<String>> unboundAxes(
      Architecture architecture, Checkpoint checkpoint, Map<Long, List<String>> spaces) {
    Map<Long, List<String>> found = new TreeMap<>();
    for (Map.Entry<String, TensorInfo> tensor : checkpoint.tensors().entrySet()) {
      if (architecture.counters().contains(tensor.getKey())) {
        continue;
      }
      Map<Integer, Long> bound = new LinkedHashMap<>();
      for (BoundAxis axis : architecture.bindings(tensor.getKey())) {
        long entries = axis.space().width() * axis.binding().block().repeat();
        bound.merge(axis.binding().axis(), entries, Long::sum);
      }
      for (int axis = 0; axis < tensor.getValue().rank(); axis++) {
        long left = tensor.getValue().dim(axis) - bound.getOrDefault(axis, 0L);
        if (left > 1 && spaces.containsKey(left)) {
          found
              .computeIfAbsent(left, w -> new ArrayList<>())
              .add("'" + tensor.getKey() + "' axis " + axis);
        }
      }
    }
    return found;
  }

  private static String some(List<String> items) {
    return items.size() <= SHOWN
        ? String.join(", ", items)
        : String.join(", ", items.subList(0, SHOWN)) + " and " + (items.size() - SHOWN) + " more";
  }
}
