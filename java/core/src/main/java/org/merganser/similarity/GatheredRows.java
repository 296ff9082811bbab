// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityGrid.Options;

/** All rows of layers, for what needs all samples at once. */
final class GatheredRows implements PairedActivations.Sink, AutoCloseable {
  private final List<Layer> layers;
  private final int layersA;
  private final long expected;
  private final Options options;
  private final Workspace ws;
  private final LayerRows rows;
  private final Opened opened = new Opened();
  private final List<Tensor> all = new ArrayList<>();
  private long filled;

  GatheredRows(List<Layer> a, List<Layer> b, long expected, Options options, Workspace ws) {
    this.layers = new ArrayList<>(a);
    this.layers.addAll(b);
    this.layersA = a.size();
    this.expected = expected;
    this.options = options;
    this.ws = ws;
    this.rows = new LayerRows(options, ws);
  }

  @Override
  public void accept(Batch batch) {
    try (Opened flat = new Opened()) {
      List<Matrix> found = rows.of(batch, layers, flat);
      long more = found.get(0).rows();
      if (more == 0) {
        return;
      }
      if (all.isEmpty()) {
        // As many positions for each sample as here, of those that were not dropped.
        allocate(found, expected * rows.positions());
      }
      for (int l = 0; l < found.size(); l++) {
        try (Tensor to = all.get(l).rows(filled, filled + more)) {
          to.copyFrom(found.get(l).asTensor(), ws);
        }
      }
      filled += more;
    }
  }

  private void allocate(List<Matrix> found, long count) {
    double bytes = 0;
    for (Matrix each : found) {
      bytes += (double) count * each.dtype().bytes(each.columns());
    }
    if (bytes > options.budget()) {
      throw new IllegalArgumentException(
          "%d rows of %d layers take %.0f bytes, the budget is %d; compare fewer samples or layers, give"
                  .formatted(count, layers.size(), bytes, options.budget())
              + " more memory, or take a measure that comes in one pass, such as"
              + " cka-linear-debiased");
    }
    for (Matrix each : found) {
      all.add(opened.add(Tensor.allocate(each.dtype(), count, each.columns())));
    }
  }

  /** The rows, which the caller closes. */
  Layers layers() {
    if (filled == 0) {
      throw new IllegalArgumentException(
          "no samples to compare" + (rows.dropped() > 0 ? "; none is finite in all layers" : ""));
    }
    try (Opened copies = new Opened()) {
      Map<String, Matrix> a = new LinkedHashMap<>();
      Map<String, Matrix> b = new LinkedHashMap<>();
      boolean whole = filled == all.get(0).dim(0);
      for (int l = 0; l < all.size(); l++) {
        Tensor kept = whole ? all.get(l) : copies.add(all.get(l).rows(0, filled).copy());
        (l < layersA ? a : b).put(layers.get(l).tap(), Matrix.of(kept));
      }
      copies.release();
      if (whole) {
        opened.release();
      }
      return new Layers(a, b, rows.dropped(), options.flatten(), rows.positions());
    }
  }

  @Override
  public void close() {
    opened.close();
  }
}
