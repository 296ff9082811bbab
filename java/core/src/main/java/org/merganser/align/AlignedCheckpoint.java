// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Role;

/** A model seen in the reference's features. Tensors are mapped when they are read. */
final class AlignedCheckpoint implements Checkpoint {
  private final Alignment alignment;
  private final Checkpoint source;
  private final NormRule rule;
  private final Set<String> stale;

  AlignedCheckpoint(Alignment alignment, Checkpoint source, NormRule rule) {
    this.alignment = alignment;
    this.source = source;
    this.rule = rule;
    this.stale = new LinkedHashSet<>(source.stale());
    for (FeatureSpace space : alignment.architecture().spaces()) {
      // A variance is no linear function of a mixture; only a one-to-one map carries it.
      if (Side.isDense(alignment.map(space.id()))) {
        space.bindings().stream()
            .filter(b -> b.role() == Role.RUNNING_MEAN || b.role() == Role.RUNNING_VAR)
            .forEach(b -> stale.add(b.tensor()));
      }
    }
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return source.tensors();
  }

  @Override
  public Map<String, String> metadata() {
    return source.metadata();
  }

  @Override
  public Set<String> stale() {
    return Set.copyOf(stale);
  }

  @Override
  public void read(String name, Tensor into, Workspace ws) throws IOException {
    List<BoundAxis> bound = alignment.architecture().bindings(name);
    if (rule instanceof NormRule.Reference other && bound.stream().anyMatch(a -> isNorm(a))) {
      other.model().read(name, into, ws);
      return;
    }
    List<BoundAxis> axes =
        bound.stream()
            .filter(a -> !(alignment.map(a.space().id()) instanceof IdentityMap))
            .toList();
    if (axes.isEmpty()) {
      source.read(name, into, ws);
      return;
    }
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    long rounding = axes.stream().filter(a -> isRounding(alignment.map(a.space().id()))).count();
    // Two products in a row would round twice; in F64 between them the result is rounded once.
    boolean widen = rounding > 1 && info.dtype() != DType.F64;
    Tensor current = source.readOn(name, ws);
    try {
      if (widen) {
        current = replace(current, current.to(DType.F64, ws));
      }
      for (BoundAxis axis : axes) {
        current = replace(current, mapped(axis, current, ws));
      }
      if (widen) {
        current = replace(current, current.to(info.dtype(), ws));
      }
      into.copyFrom(current, ws);
    } finally {
      current.close();
    }
  }

  private Tensor mapped(BoundAxis axis, Tensor tensor, Workspace ws) {
    FeatureMap map = alignment.map(axis.space().id());
    return MapAxis.apply(map, rule, axis, tensor, ws);
  }

  static boolean isNorm(BoundAxis axis) {
    Role role = axis.binding().role();
    return role == Role.NORM_SCALE || role == Role.NORM_SHIFT;
  }

  /** Everything but a plain permutation, which copies bits. */
  private static boolean isRounding(FeatureMap map) {
    return !(map instanceof ScaledPermutation permutation && permutation.isPlain());
  }

  private static Tensor replace(Tensor old, Tensor next) {
    old.close();
    return next;
  }
}
