// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Role;

/** A model seen in the reference's features. Tensors are mapped when they are read. */
final class AlignedCheckpoint extends CheckpointView {
  /** Bytes from which on reading a row by itself costs no more than reading it with others. */
  private static final long SHORTEST_ROW = 4096;

  private final Alignment alignment;
  private final Checkpoint source;
  private final NormRule rule;
  private final MapOverflow overflow;
  private final Set<String> stale;
  private final Map<String, Plan> plans = new ConcurrentHashMap<>();

  /**
   * How ranges of a tensor are read, worked out once.
   *
   * @param block elements that are computed at once
   * @param rows where each row lies in the source, when they are read there; or null
   * @param rounding axes whose maps do more than move elements
   */
  private record Plan(List<BoundAxis> axes, long block, int[] rows, long rounding) {}

  AlignedCheckpoint(Alignment alignment, Checkpoint source, NormRule rule) {
    super(source);
    this.alignment = alignment;
    this.source = source;
    this.rule = rule;
    this.overflow = new MapOverflow(alignment, source);
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
  public Set<String> stale() {
    return Set.copyOf(stale);
  }

  /**
   * A map of a later axis mixes the elements of a row, one of the first axis mixes the rows; where
   * it only moves them, they are read where they lie, when they are long enough for that.
   */
  @Override
  public long block(String name) {
    if (isReference(name)) {
      return reference().block(name);
    }
    return plan(name).block();
  }

  private Plan plan(String name) {
    return plans.computeIfAbsent(name, this::newPlan);
  }

  private Plan newPlan(String name) {
    List<BoundAxis> axes = mappedAxes(name);
    ScaledPermutation rows = rows(name, axes);
    long block = source.block(name);
    for (BoundAxis axis : axes) {
      if (axis.binding().axis() > 0 || rows == null) {
        block = Math.max(block, stride(name, Math.min(1, axis.binding().axis())));
      }
    }
    return new Plan(
        axes,
        rows == null ? block : Math.max(block, stride(name, 1)),
        rows == null ? null : rows.permutation(),
        axes.stream().filter(a -> isRounding(alignment.map(a.space().id()))).count());
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    if (isReference(name)) {
      reference().readRange(name, from, to, into, ws);
      return;
    }
    TensorInfo info = info(name);
    Plan plan = plan(name);
    List<BoundAxis> axes = plan.axes();
    if (axes.isEmpty()) {
      source.readRange(name, from, to, into, ws);
      return;
    }
    boolean whole = from == 0 && to == info.size();
    long[] shape = info.dims();
    if (!whole) {
      shape[0] = (to - from) / stride(name, 1);
    }
    // Two products in a row would round twice; in F64 between them the result is rounded once.
    boolean widen = plan.rounding() > 1 && info.dtype() != DType.F64;
    int[] rows = whole ? null : plan.rows();
    Tensor current = Tensor.allocate(info.dtype(), shape, ws);
    try {
      if (rows == null) {
        source.readRange(name, from, to, current, ws);
      } else {
        gather(name, rows, from, current, ws);
      }
      if (widen) {
        current = replace(current, current.to(DType.F64, ws));
      }
      for (BoundAxis axis : axes) {
        if (rows == null || axis.binding().axis() > 0) {
          current = replace(current, mapped(axis, current, ws));
        }
      }
      if (widen) {
        current = replace(current, current.to(info.dtype(), ws));
      }
      if (plan.rounding() > 0) {
        overflow.check(name, current, ws);
      }
      try (Tensor flat = current.reshape(to - from)) {
        into.copyFrom(flat, ws);
      }
    } finally {
      current.close();
    }
  }

  /** Reads the rows of the source that become those from an element on, neighbours together. */
  private void gather(String name, int[] permutation, long from, Tensor into, Workspace ws)
      throws IOException {
    long row = stride(name, 1);
    int first = Math.toIntExact(from / row);
    int rows = Math.toIntExact(into.size() / row);
    for (int r = 0; r < rows; ) {
      int run = 1;
      while (r + run < rows && permutation[first + r + run] == permutation[first + r] + run) {
        run++;
      }
      long begin = permutation[first + r] * row;
      try (Tensor part = part(into, r * row, (r + run) * row)) {
        source.readRange(name, begin, begin + run * row, part, ws);
      }
      r += run;
    }
  }

  /** The map of the rows when it moves them and does nothing else, and they are worth it. */
  private ScaledPermutation rows(String name, List<BoundAxis> axes) {
    TensorInfo info = info(name);
    long row = info.rank() < 2 ? 0 : stride(name, 1);
    if (info.dtype().bytes(row) < SHORTEST_ROW || source.block(name) > row) {
      return null;
    }
    ScaledPermutation found = null;
    for (BoundAxis axis : axes) {
      if (axis.binding().axis() == 0) {
        boolean plain =
            alignment.map(axis.space().id()) instanceof ScaledPermutation permutation
                && permutation.isPlain();
        if (found != null
            || !plain
            || !axis.binding().block().equals(Binding.Block.WHOLE)
            || axis.space().width() != info.dim(0)) {
          return null;
        }
        found = (ScaledPermutation) alignment.map(axis.space().id());
      }
    }
    return found;
  }

  private List<BoundAxis> mappedAxes(String name) {
    return alignment.architecture().bindings(name).stream()
        .filter(a -> !(alignment.map(a.space().id()) instanceof IdentityMap))
        .toList();
  }

  /** Elements between two steps of the axis before one. */
  private long stride(String name, int axis) {
    long[] dims = info(name).dims();
    return Math.max(1, Tensor.size(Arrays.copyOfRange(dims, axis, dims.length)));
  }

  private boolean isReference(String name) {
    return rule instanceof NormRule.Reference
        && alignment.architecture().bindings(name).stream().anyMatch(a -> isNorm(a));
  }

  private Checkpoint reference() {
    return ((NormRule.Reference) rule).model();
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
