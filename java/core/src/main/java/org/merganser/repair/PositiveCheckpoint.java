// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;

/** A model whose negative scales have moved into the rows of the layers before them. */
final class PositiveCheckpoint extends CheckpointView {
  private final Checkpoint source;

  /** The scale whose sign a tensor takes, row by row. */
  private final Map<String, String> scaleOf = new LinkedHashMap<>();

  PositiveCheckpoint(
      Checkpoint source, List<AffineLayer> layers, Map<String, BatchNormLayer> norms) {
    super(source);
    this.source = source;
    for (AffineLayer layer : layers) {
      BatchNormLayer norm = norms.get(layer.id());
      if (norm != null) {
        for (String name : List.of(layer.weight(), norm.mean(), norm.scale())) {
          scaleOf.put(name, norm.scale());
        }
        layer.bias().ifPresent(bias -> scaleOf.put(bias, norm.scale()));
      }
    }
  }

  @Override
  public long block(String name) {
    return scaleOf.containsKey(name) ? ScaledRows.block(source, name) : source.block(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    source.readRange(name, from, to, into, ws);
    String scale = scaleOf.get(name);
    if (scale == null) {
      return;
    }
    double[] signs;
    try (Tensor values = source.read(scale, ws)) {
      signs = values.toDoubleArray();
    }
    boolean negative = false;
    for (int c = 0; c < signs.length; c++) {
      negative |= signs[c] < 0;
      signs[c] = signs[c] < 0 ? -1 : 1;
    }
    // Without a negative scale the bytes are those of the source.
    if (negative) {
      ScaledRows.scale(info(name), from, signs, into, ws);
    }
  }
}
