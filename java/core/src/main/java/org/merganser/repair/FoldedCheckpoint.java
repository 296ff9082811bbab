// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;

/** A model whose batch normalisations have become part of the layers before them. */
final class FoldedCheckpoint implements Checkpoint {
  private final Checkpoint source;
  private final Map<String, TensorInfo> tensors;
  private final Map<String, Absorbed> absorbed = new LinkedHashMap<>();

  /** A weight or bias that absorbs a normalisation. */
  private record Absorbed(AffineLayer layer, BatchNormLayer norm, boolean isWeight) {}

  FoldedCheckpoint(Checkpoint source, List<AffineLayer> layers, Map<String, BatchNormLayer> norms) {
    this.source = source;
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
    this.tensors = Collections.unmodifiableMap(infos);
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
  public void read(String name, Tensor into, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    Absorbed folded = absorbed.get(name);
    if (folded == null) {
      source.read(name, into, ws);
      return;
    }
    double[] scale = values(folded.norm().scale(), ws);
    double[] variance = values(folded.norm().variance(), ws);
    for (int c = 0; c < scale.length; c++) {
      scale[c] /= Math.sqrt(variance[c] + folded.norm().epsilon());
    }
    try (Tensor result = folded.isWeight() ? weight(name, scale, ws) : bias(folded, scale, ws)) {
      into.copyFrom(result, ws);
    }
  }

  private Tensor weight(String name, double[] scale, Workspace ws) throws IOException {
    try (Tensor weight = source.readOn(name, ws)) {
      return weight.scaledRows(scale, ws);
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
