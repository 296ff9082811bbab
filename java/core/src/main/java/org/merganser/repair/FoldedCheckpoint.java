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
  private final Map<String, Absorbed> absorbed;

  /** A weight or bias that absorbs a normalisation. */
  private record Absorbed(AffineLayer layer, BatchNormLayer norm, boolean isWeight) {}

  private FoldedCheckpoint(
      Checkpoint source, Map<String, TensorInfo> tensors, Map<String, Absorbed> absorbed) {
    super(tensors, List.of(source));
    this.source = source;
    this.absorbed = absorbed;
  }

  static FoldedCheckpoint of(
      Checkpoint source, List<AffineLayer> layers, Map<String, BatchNormLayer> norms) {
    Map<String, Absorbed> absorbed = new LinkedHashMap<>();
    Map<String, String> addedBias = new LinkedHashMap<>();
    Set<String> gone = new LinkedHashSet<>();
    for (AffineLayer layer : layers) {
      BatchNormLayer norm = norms.get(layer.id());
      if (norm != null) {
        String bias = layer.bias().orElse(layer.id() + ".bias");
        absorbed.put(layer.weight(), new Absorbed(layer, norm, true));
        absorbed.put(bias, new Absorbed(layer, norm, false));
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
    return new FoldedCheckpoint(source, infos, absorbed);
  }

  @Override
  public long block(String name) {
    Absorbed folded = absorbed.get(name);
    if (folded == null) {
      return source.block(name);
    }
    return folded.isWeight() ? ScaledRows.block(source, name) : Math.max(1, info(name).size());
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Absorbed folded = absorbed.get(name);
    if (folded == null) {
      source.readRange(name, from, to, into, ws);
      return;
    }
    double[] scale = values(folded.norm().scale(), ws);
    double[] variance = values(folded.norm().variance(), ws);
    for (int c = 0; c < scale.length; c++) {
      scale[c] /= Math.sqrt(variance[c] + folded.norm().epsilon());
    }
    if (folded.isWeight()) {
      source.readRange(name, from, to, into, ws);
      ScaledRows.scale(info(name), from, scale, into, ws);
      return;
    }
    try (Tensor result = bias(folded, scale, ws)) {
      into.copyFrom(result, ws);
    }
  }

  private Tensor bias(Absorbed folded, double[] scale, Workspace ws) throws IOException {
    double[] mean = values(folded.norm().mean(), ws);
    double[] shift = values(folded.norm().shift(), ws);
    double[] bias = new double[scale.length];
    if (folded.layer().bias().isPresent()) {
      bias = values(folded.layer().bias().get(), ws);
    }
    for (int c = 0; c < bias.length; c++) {
      bias[c] = scale[c] * (bias[c] - mean[c]) + shift[c];
    }
    String name = folded.layer().bias().orElse(folded.layer().weight());
    return Tensor.of(source.info(name).dtype(), bias, ws);
  }

  private double[] values(String name, Workspace ws) throws IOException {
    try (Tensor tensor = source.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
