// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;

/** A model whose batch normalisations have become part of the layers before them. */
final class FoldedCheckpoint extends CheckpointView {
  private final Checkpoint source;
  private final Map<String, Part> parts;

  /** A weight or bias that absorbs a normalisation. */
  private record Part(AffineLayer layer, BatchNormLayer norm, boolean isWeight) {}

  private FoldedCheckpoint(
      Checkpoint source, Map<String, TensorInfo> tensors, Map<String, Part> parts) {
    super(tensors, List.of(source));
    this.source = source;
    this.parts = parts;
  }

  static FoldedCheckpoint of(
      Checkpoint source, List<AffineLayer> layers, Map<String, BatchNormLayer> norms) {
    Map<String, Part> parts = new LinkedHashMap<>();
    Map<String, String> addedBias = new LinkedHashMap<>();
    Set<String> gone = new LinkedHashSet<>();
    for (AffineLayer layer : layers) {
      BatchNormLayer norm = norms.get(layer.id());
      if (norm != null) {
        String bias = layer.bias().orElse(layer.id() + ".bias");
        parts.put(layer.weight(), new Part(layer, norm, true));
        parts.put(bias, new Part(layer, norm, false));
        if (layer.bias().isEmpty()) {
          addedBias.put(layer.weight(), bias);
        }
        gone.addAll(List.of(norm.scale(), norm.shift(), norm.mean(), norm.variance()));
        norm.counter().ifPresent(gone::add);
      }
    }
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    source
        .tensors()
        .forEach(
            (name, info) -> {
              if (!gone.contains(name)) {
                infos.put(name, info);
              }
              if (addedBias.containsKey(name)) {
                infos.put(addedBias.get(name), TensorInfo.of(info.dtype(), info.dim(0)));
              }
            });
    return new FoldedCheckpoint(source, infos, parts);
  }

  @Override
  public long block(String name) {
    Part part = parts.get(name);
    if (part == null) {
      return source.block(name);
    }
    return part.isWeight() ? ScaledRows.block(source, name) : Math.max(1, info(name).size());
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Part part = parts.get(name);
    if (part == null) {
      source.readRange(name, from, to, into, ws);
      return;
    }
    double[] factor = values(part.norm().scale(), ws);
    double[] variance = values(part.norm().variance(), ws);
    for (int c = 0; c < factor.length; c++) {
      factor[c] /= Math.sqrt(variance[c] + part.norm().epsilon());
    }
    if (part.isWeight()) {
      source.readRange(name, from, to, into, ws);
      ScaledRows.scale(info(name), from, factor, into, ws);
      return;
    }
    try (Tensor result = bias(part, factor, ws)) {
      into.copyFrom(result, ws);
    }
  }

  private Tensor bias(Part part, double[] factor, Workspace ws) throws IOException {
    double[] mean = values(part.norm().mean(), ws);
    double[] shift = values(part.norm().shift(), ws);
    double[] bias = new double[factor.length];
    if (part.layer().bias().isPresent()) {
      bias = values(part.layer().bias().get(), ws);
    }
    for (int c = 0; c < bias.length; c++) {
      bias[c] = factor[c] * (bias[c] - mean[c]) + shift[c];
    }
    String name = part.layer().bias().orElse(part.layer().weight());
    return Tensor.of(source.info(name).dtype(), bias, ws);
  }

  private double[] values(String name, Workspace ws) throws IOException {
    try (Tensor tensor = source.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
