// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.io.TensorInfo;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/**
 * What a walk over the layers finds out: parameters with their initial distribution, feature spaces
 * with their bindings, and at which layer the activations of a space are read. A space is read
 * where it is consumed, so after its nonlinearity.
 */
final class Description {
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final List<Space> spaces = new ArrayList<>();
  private final Map<String, Tap> taps = new LinkedHashMap<>();

  /**
   * A parameter.
   *
   * @param deviation standard deviation of its initial normal distribution; 0 for zeros
   */
  record Parameter(TensorInfo info, double deviation) {}

  /** Where a space is read: before this layer, with this many features. */
  record Tap(String space, long features) {}

  /** A space while it is being described. */
  static final class Space {
    private final String id;
    private final long width;
    private final List<Binding> bindings = new ArrayList<>();
    private MapFamily exact = MapFamily.ANY_LINEAR;
    private boolean consumed;

    private Space(String id, long width) {
      this.id = id;
      this.width = width;
    }

    void bind(String tensor, int axis, Role role) {
      bindings.add(Binding.of(tensor, axis, role));
    }

    /** Only maps of this family commute with what was just applied. */
    void restrict(MapFamily family) {
      if (family.ordinal() > exact.ordinal()) {
        exact = family;
      }
    }
  }

  void parameter(String name, TensorInfo info, double deviation) {
    if (parameters.putIfAbsent(name, new Parameter(info, deviation)) != null) {
      throw new IllegalArgumentException("two layers have a parameter '" + name + "'");
    }
  }

  /** A new space, named after the layer that writes it. */
  Space space(String layer, long width) {
    Space space = new Space(layer, width);
    spaces.add(space);
    return space;
  }

  /** Layer {@code layer} reads the signal through axis {@code axis} of {@code weight}. */
  void consume(Signal signal, String layer, String weight, int axis) {
    Space space = signal.space();
    if (space != null) {
      long repeat = signal.flat() ? signal.positions() : 1;
      space.bindings.add(new Binding(weight, axis, Role.WEIGHT_IN, new Block(0, repeat)));
      space.consumed = true;
      // The last consumer in forward order reads the space when it is complete.
      taps.values().removeIf(tap -> tap.space().equals(space.id));
      taps.put(layer, new Tap(space.id, signal.features()));
    }
  }

  Map<String, Parameter> parameters() {
    return parameters;
  }

  /** By the layer before which a space is read. */
  Map<String, Tap> taps() {
    return taps;
  }

  /** Spaces nobody reads are outputs of the network and are never mapped. */
  Architecture architecture() {
    Architecture.Builder builder = Architecture.builder();
    for (Space space : spaces) {
      if (space.consumed) {
        builder.space(new FeatureSpace(space.id, space.width, space.exact, space.bindings));
      }
    }
    return builder.build();
  }
}
