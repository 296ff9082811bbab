// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;

/** A model without normalisation seen as one with it, with scale and shift of a reference. */
final class UnfoldedCheckpoint extends CheckpointView {
  private final Checkpoint folded;
  private final Checkpoint reference;
  private final Map<String, Kind> kinds = new LinkedHashMap<>();
  private final Set<String> stale;

  private enum Kind {
    FOLDED,
    REFERENCE,
    MAGNITUDE,
    ZERO
  }

  UnfoldedCheckpoint(
      Checkpoint folded,
      Checkpoint reference,
      List<AffineLayer> layers,
      Map<String, BatchNormLayer> norms) {
    super(reference.tensors(), List.of(reference, folded));
    this.folded = folded;
    this.reference = reference;
    this.stale = new LinkedHashSet<>(folded.stale());
    List<String> problems = new ArrayList<>();
    for (AffineLayer layer : layers) {
      BatchNormLayer norm = norms.get(layer.id());
      if (norm != null) {
        // Normalisation takes away any constant before it.
        layer.bias().ifPresent(bias -> kinds.put(bias, Kind.ZERO));
        if (folded.tensors().containsKey(norm.scale())) {
          problems.add("the first is not folded: it has '" + norm.scale() + "'");
        }
        kinds.put(norm.scale(), Kind.MAGNITUDE);
        kinds.put(norm.shift(), Kind.REFERENCE);
        for (String buffer : List.of(norm.mean(), norm.variance())) {
          kinds.put(buffer, Kind.REFERENCE);
          stale.add(buffer);
        }
        norm.counter().ifPresent(counter -> kinds.put(counter, Kind.REFERENCE));
      }
    }
    reference
        .tensors()
        .forEach(
            (name, info) -> {
              TensorInfo found = folded.tensors().get(name);
              if (!kinds.containsKey(name) && !info.equals(found)) {
                problems.add(
                    "'" + name + "' is " + info + (found == null ? ", missing" : ", not " + found));
              }
            });
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the folded model does not fit the reference", problems);
    }
  }

  @Override
  public Set<String> stale() {
    return Set.copyOf(stale);
  }

  @Override
  public long block(String name) {
    return switch (kinds.getOrDefault(name, Kind.FOLDED)) {
      case FOLDED -> folded.block(name);
      case REFERENCE -> reference.block(name);
      case MAGNITUDE, ZERO -> Math.max(1, info(name).size());
    };
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    switch (kinds.getOrDefault(name, Kind.FOLDED)) {
      case FOLDED -> folded.readRange(name, from, to, into, ws);
      case REFERENCE -> reference.readRange(name, from, to, into, ws);
      case MAGNITUDE -> {
        try (Tensor scale = reference.read(name, ws)) {
          double[] values = scale.toDoubleArray();
          for (int c = 0; c < values.length; c++) {
            values[c] = Math.abs(values[c]);
          }
          write(values, into, ws);
        }
      }
      case ZERO -> write(new double[Math.toIntExact(into.size())], into, ws);
      default -> throw new IllegalStateException(name);
    }
  }

  private static void write(double[] values, Tensor into, Workspace ws) {
    try (Tensor result = Tensor.of(into.dtype(), values, ws)) {
      into.copyFrom(result, ws);
    }
  }
}
