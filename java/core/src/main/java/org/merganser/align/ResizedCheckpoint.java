// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture.BoundAxis;

/**
 * A model seen in the features of a reference of other widths. Tensors that keep their shape are
 * those of {@link AlignedCheckpoint}; of the others, spaces must cover the axes whose length
 * changes, since nothing says where the rest would go.
 */
final class ResizedCheckpoint extends CheckpointView {
  private final Alignment alignment;
  private final Checkpoint source;
  private final Checkpoint mapped;
  private final NormRule rule;
  private final MapOverflow overflow;

  ResizedCheckpoint(Alignment alignment, Checkpoint source, NormRule rule) {
    super(resized(alignment, source), List.of(source));
    this.alignment = alignment;
    this.source = source;
    this.rule = rule;
    this.overflow = new MapOverflow(alignment, source);
    this.mapped = new AlignedCheckpoint(alignment, source, rule);
  }

  private static Map<String, TensorInfo> resized(Alignment alignment, Checkpoint source) {
    List<String> problems = new ArrayList<>();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    source
        .tensors()
        .forEach((name, info) -> infos.put(name, resized(alignment, name, info, problems)));
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the model cannot take the reference's widths", problems);
    }
    return infos;
  }

  private boolean isResized(String name) {
    return alignment.architecture().bindings(name).stream().anyMatch(this::isResized);
  }

  private boolean isResized(BoundAxis axis) {
    return isResized(alignment, axis);
  }

  private static boolean isResized(Alignment alignment, BoundAxis axis) {
    FeatureMap map = alignment.map(axis.space().id());
    return map.width() != map.referenceWidth();
  }

  private static TensorInfo resized(
      Alignment alignment, String name, TensorInfo info, List<String> problems) {
    long[] dims = info.dims();
    for (int axis = 0; axis < dims.length; axis++) {
      List<BoundAxis> bound = on(axis, alignment.architecture().bindings(name));
      if (bound.stream().anyMatch(b -> isResized(alignment, b))) {
        long covered = entries(bound);
        if (covered != dims[axis]) {
          problems.add(
              Names.quote(name)
                  + " "
                  + info
                  + " axis "
                  + axis
                  + ": spaces cover "
                  + covered
                  + " of "
                  + dims[axis]
                  + " entries; bind the others too (to a space of family fixed)");
        }
        dims[axis] = entries(on(axis, alignment.reference().bindings(name)));
      }
    }
    return TensorInfo.of(info.dtype(), dims);
  }

  private static List<BoundAxis> on(int axis, List<BoundAxis> bound) {
    return bound.stream().filter(b -> b.binding().axis() == axis).toList();
  }

  private static long entries(List<BoundAxis> bound) {
    return bound.stream().mapToLong(b -> b.space().width() * b.binding().block().repeat()).sum();
  }

  @Override
  public Set<String> stale() {
    return mapped.stale();
  }

  /** What changes its shape is read as a whole. */
  @Override
  public long block(String name) {
    return passedOn(name).map(other -> other.block(name)).orElse(Math.max(1, info(name).size()));
  }

  /** Where a tensor is read that does not change its shape, or that is the reference's. */
  private Optional<Checkpoint> passedOn(String name) {
    if (rule instanceof NormRule.Reference other && isNorm(name)) {
      return Optional.of(other.model());
    }
    return isResized(name) ? Optional.empty() : Optional.of(mapped);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Optional<Checkpoint> other = passedOn(name);
    if (other.isPresent()) {
      other.get().readRange(name, from, to, into, ws);
      return;
    }
    try (Opened opened = new Opened()) {
      // In F64 until the end: axes are mapped one after the other, and rounded once.
      Tensor stored = opened.add(source.readOn(name, ws));
      Tensor current = opened.add(stored.to(DType.F64, ws));
      for (int axis = 0; axis < current.rank(); axis++) {
        List<BoundAxis> bound = on(axis, alignment.architecture().bindings(name));
        if (!bound.isEmpty()) {
          List<BoundAxis> target = on(axis, alignment.reference().bindings(name));
          current = opened.add(axis(bound, target, current, ws));
        }
      }
      into.convertFrom(opened.add(current.reshape(to - from)), ws);
      overflow.check(name, into, ws);
    }
  }

  private boolean isNorm(String name) {
    return alignment.architecture().bindings(name).stream().anyMatch(AlignedCheckpoint::isNorm);
  }

  /** All blocks of one axis, each where the reference has it. */
  private Tensor axis(List<BoundAxis> from, List<BoundAxis> to, Tensor tensor, Workspace ws) {
    if (from.stream().noneMatch(this::isResized)) {
      return square(from, tensor, ws);
    }
    int axis = from.get(0).binding().axis();
    long[] shape = tensor.shape();
    AxisOrder source = AxisOrder.together(from, shape[axis]);
    shape[axis] = entries(to);
    AxisOrder target = AxisOrder.together(to, shape[axis]).inverse();
    try (Tensor together = source.apply(tensor, ws);
        Tensor mapped = Tensor.allocate(tensor.dtype(), shape, ws)) {
      long in = 0;
      long out = 0;
      for (int i = 0; i < from.size(); i++) {
        FeatureMap map = alignment.map(from.get(i).space().id());
        MapAxis.write(map, rule, from.get(i), together, in, mapped, out, ws);
        in += entries(List.of(from.get(i)));
        out += entries(List.of(to.get(i)));
      }
      return target.apply(mapped, ws);
    }
  }

  private Tensor square(List<BoundAxis> axes, Tensor tensor, Workspace ws) {
    try (Opened opened = new Opened()) {
      Tensor current = tensor.on(ws);
      for (BoundAxis axis : axes) {
        opened.add(current);
        current = MapAxis.apply(alignment.map(axis.space().id()), rule, axis, current, ws);
      }
      return current;
    }
  }
}
