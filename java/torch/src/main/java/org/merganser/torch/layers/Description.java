// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/**
 * What a walk over the layers finds out: parameters with their initial distribution, feature spaces
 * with their bindings, and which nodes of the walk give the activations that can be asked for. A
 * space is read where its last consumer reads it, so after its nonlinearity and with all that is
 * added to it, but before any pooling.
 */
final class Description {
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final List<Space> spaces = new ArrayList<>();
  private final List<AffineLayer> affineLayers = new ArrayList<>();
  private final List<AffineLayer> adaptable = new ArrayList<>();
  private final List<BatchNormLayer> batchNorms = new ArrayList<>();
  private final Map<Integer, AffineLayer> affineNodes = new LinkedHashMap<>();
  private final Map<Integer, String> inputTaps = new LinkedHashMap<>();
  private int nodes;
  private int current;

  /** What a tensor of the checkpoint is for. */
  enum Kind {
    /** Learned. */
    PARAMETER,
    /** Follows the data: running statistics. */
    BUFFER,
    /** An integer that counts. */
    COUNTER
  }

  /** A tensor of the checkpoint. */
  record Parameter(TensorInfo info, Initial initial, Kind kind) {}

  /** A space while it is being described. Two that are added to each other become one. */
  static final class Space {
    private final String id;
    private final long width;
    private final List<Binding> bindings = new ArrayList<>();
    private MapFamily symmetry = MapFamily.ANY_LINEAR;
    private boolean consumed;
    private int readAt = -1;
    private Space joined;

    private Space(String id, long width) {
      this.id = id;
      this.width = width;
    }

    private Space root() {
      Space space = this;
      while (space.joined != null) {
        space = space.joined;
      }
      return space;
    }

    void bind(String tensor, int axis, Role role) {
      root().bindings.add(Binding.of(tensor, axis, role));
    }

    /** Part of an axis. */
    void bind(String tensor, int axis, Role role, Block block) {
      root().bindings.add(new Binding(tensor, axis, role, block));
    }

    /** Only maps of this family commute with what was just applied. */
    void restrict(MapFamily family) {
      Space root = root();
      root.symmetry = root.symmetry.meet(family);
    }
  }

  /** Visits a layer; parents do so for their children, in the order of the forward pass. */
  Signal follow(Layer layer, Signal in) {
    int outer = current;
    current = nodes++;
    Signal out = layer.describe(in, this);
    current = outer;
    return out;
  }

  /** Number of the node that is being described; parents come before their children. */
  int node() {
    return current;
  }

  void parameter(String name, TensorInfo info, Initial initial) {
    add(name, new Parameter(info, initial, Kind.PARAMETER));
  }

  /** A running statistic. */
  void buffer(String name, TensorInfo info, Initial initial) {
    add(name, new Parameter(info, initial, Kind.BUFFER));
  }

  void counter(String name) {
    add(name, new Parameter(TensorInfo.of(DType.I64), Initial.ZERO, Kind.COUNTER));
  }

  private void add(String name, Parameter parameter) {
    if (parameters.putIfAbsent(name, parameter) != null) {
      throw new IllegalArgumentException("two layers have a parameter '" + name + "'");
    }
  }

  /** A new space, named after the layer that writes it first. */
  Space space(String layer, long width) {
    Space space = new Space(layer, width);
    spaces.add(space);
    return space;
  }

  /**
   * What two operands of a sum have in common. With the input of the network, which is never
   * mapped, there is nothing left to map.
   */
  Space union(Space a, Space b) {
    if (a == null || b == null) {
      Space fixed = a == null ? b : a;
      if (fixed != null) {
        fixed.restrict(MapFamily.FIXED);
      }
      return fixed;
    }
    Space first = a.root();
    Space second = b.root();
    if (first != second) {
      if (spaces.indexOf(second) < spaces.indexOf(first)) {
        Space earlier = second;
        second = first;
        first = earlier;
      }
      first.bindings.addAll(second.bindings);
      first.restrict(second.symmetry);
      first.consumed |= second.consumed;
      second.joined = first;
    }
    return first;
  }

  /** The layer being described reads the signal through axis {@code axis} of {@code weight}. */
  void consume(Signal signal, String weight, int axis) {
    if (signal.space() != null) {
      Space space = signal.space().root();
      Block block = new Block(0, signal.repeat());
      space.bindings.add(new Binding(weight, axis, Role.WEIGHT_IN, block));
      space.consumed = true;
      space.readAt = signal.source();
    }
  }

  void affine(AffineLayer layer) {
    affineLayers.add(layer);
    adaptable.add(layer);
    affineNodes.put(current, layer);
  }

  /** Fused projections of attention. */
  void projection(AffineLayer layer) {
    adaptable.add(layer);
  }

  void batchNorm(BatchNormLayer layer) {
    batchNorms.add(layer);
    inputTaps.put(current, layer.input());
  }

  /** The affine layer that is a node. */
  Optional<String> affineAt(int node) {
    return Optional.ofNullable(affineNodes.get(node)).map(AffineLayer::id);
  }

  Map<String, Parameter> parameters() {
    return parameters;
  }

  List<AffineLayer> affineLayers() {
    return affineLayers;
  }

  /** Affine layers and projections; of attention, where what reads it is named as in torch. */
  List<AffineLayer> adaptable() {
    return adaptable.stream()
        .filter(layer -> affineLayers.contains(layer) || isAffine(layer.id() + ".out_proj"))
        .toList();
  }

  private boolean isAffine(String id) {
    return affineLayers.stream().anyMatch(layer -> layer.id().equals(id));
  }

  List<BatchNormLayer> batchNorms() {
    return batchNorms;
  }

  /** What is read before a node: its name by the number of the node. */
  Map<Integer, String> inputTaps() {
    return inputTaps;
  }

  /** What is read after a node: the names by the number of the node. */
  Map<Integer, Set<String>> outputTaps() {
    Map<Integer, Set<String>> taps = new LinkedHashMap<>();
    affineNodes.forEach(
        (node, layer) ->
            taps.computeIfAbsent(node, n -> new LinkedHashSet<>()).add(layer.output()));
    for (Space space : mapped()) {
      taps.computeIfAbsent(space.readAt, n -> new LinkedHashSet<>()).add(space.id);
    }
    return taps;
  }

  /** How many features a tap has, of those that are read after a node. */
  long width(String tap) {
    return affineLayers.stream()
        .filter(layer -> layer.output().equals(tap))
        .map(AffineLayer::width)
        .findFirst()
        .orElseGet(
            () -> spaces.stream().filter(s -> s.id.equals(tap)).findFirst().orElseThrow().width);
  }

  Architecture architecture() {
    Architecture.Builder builder = Architecture.builder();
    for (Space space : mapped()) {
      builder.space(new FeatureSpace(space.id, space.width, space.symmetry, space.bindings));
    }
    parameters.forEach(
        (name, parameter) -> {
          if (parameter.kind() == Kind.COUNTER) {
            builder.counter(name);
          }
        });
    return builder.build();
  }

  /** Spaces nobody reads are outputs of the network and are never mapped. */
  private List<Space> mapped() {
    return spaces.stream()
        .filter(
            space -> space.joined == null && space.consumed && space.symmetry != MapFamily.FIXED)
        .toList();
  }
}
