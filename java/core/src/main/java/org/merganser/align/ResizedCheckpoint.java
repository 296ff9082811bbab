// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Architecture.BoundAxis;

/**
 * A model seen in the features of a reference of other widths. Tensors that keep their shape are
 * those of {@link AlignedCheckpoint}; of the others, spaces must cover the axes whose length
 * changes, since nothing says where the rest would go.
 */
final class ResizedCheckpoint implements Checkpoint {
  private final Alignment alignment;
  private final Checkpoint source;
  private final Checkpoint mapped;
  private final NormRule rule;
  private final Map<String, TensorInfo> tensors;

  ResizedCheckpoint(Alignment alignment, Checkpoint source, NormRule rule) {
    this.alignment = alignment;
    this.source = source;
    this.rule = rule;
    this.mapped = new AlignedCheckpoint(alignment, source, rule);
    List<String> problems = new ArrayList<>();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    source
        .tensors()
        .forEach(
            (name, info) ->
                infos.put(name, isResized(name) ? resized(name, info, problems) : info));
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the model cannot take the reference's widths", problems);
    }
    tensors = Collections.unmodifiableMap(infos);
  }

  private boolean isResized(String name) {
    return alignment.architecture().bindings(name).stream().anyMatch(this::isResized);
  }

  private boolean isResized(BoundAxis axis) {
    FeatureMap map = alignment.map(axis.space().id());
    return map.width() != map.referenceWidth();
  }

  private TensorInfo resized(String name, TensorInfo info, List<String> problems) {
    long[] dims = info.dims();
    for (int axis = 0; axis < dims.length; axis++) {
      List<BoundAxis> bound = on(axis, alignment.architecture().bindings(name));
      if (bound.stream().anyMatch(this::isResized)) {
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
  public Map<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public Map<String, String> metadata() {
    return source.metadata();
  }

  @Override
  public Set<String> stale() {
    return mapped.stale();
  }

  @Override
  public void read(String name, Tensor into, Workspace ws) throws IOException {
    Architecture architecture = alignment.architecture();
    if (!isResized(name) || rule instanceof NormRule.Reference && isNorm(name)) {
      mapped.read(name, into, ws);
      return;
    }
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    try (Opened opened = new Opened()) {
      // In F64 until the end: axes are mapped one after the other, and rounded once.
      Tensor stored = opened.add(source.readOn(name, ws));
      Tensor current = opened.add(stored.to(DType.F64, ws));
      for (int axis = 0; axis < current.rank(); axis++) {
        List<BoundAxis> from = on(axis, architecture.bindings(name));
        if (!from.isEmpty()) {
          current =
              opened.add(axis(from, on(axis, alignment.reference().bindings(name)), current, ws));
        }
      }
      into.convertFrom(current, ws);
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
