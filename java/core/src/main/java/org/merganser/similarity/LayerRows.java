// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid.Options;

/** Activations as rows, without samples that are not finite. */
final class LayerRows {
  private static final int UNKNOWN = -1;

  private final Options options;
  private final Workspace ws;
  private long dropped;
  private int positions = UNKNOWN;

  LayerRows(Options options, Workspace ws) {
    this.options = options;
    this.ws = ws;
  }

  /** What was counted before. */
  LayerRows resumed(long droppedBefore, int positionsBefore) {
    dropped = droppedBefore;
    positions = positionsBefore;
    return this;
  }

  long dropped() {
    return dropped;
  }

  void addDropped(long more) {
    dropped += more;
  }

  /** Rows of a sample; 0 where not all had as many. */
  int positions() {
    return positions == UNKNOWN ? 1 : positions;
  }

  private void count(long samples, long rows) {
    if (samples > 0) {
      int now = Math.toIntExact(rows / samples);
      positions = positions == UNKNOWN || positions == now ? now : 0;
    }
  }

  /**
   * Of each layer; they are valid as long as the batch, and until {@code opened} closes.
   *
   * @throws ShapeException when a layer has other rows than the rest
   */
  List<Matrix> of(Batch batch, List<Layer> layers, Opened opened) {
    List<Tensor> found = new ArrayList<>();
    for (Layer layer : layers) {
      found.add(batch.of(layer.model(), layer.tap()));
    }
    boolean[] bad = FiniteSamples.bad(layers, found, batch.first(), options.nonFinite(), ws);
    if (bad != null) {
      found = FiniteSamples.without(found, bad, opened, ws);
      for (boolean each : bad) {
        dropped += each ? 1 : 0;
      }
    }
    List<Matrix> all = new ArrayList<>();
    for (int l = 0; l < layers.size(); l++) {
      Matrix flat =
          opened.add(options.flatten().rows(found.get(l), layers.get(l).featureAxis(), ws));
      if (!all.isEmpty() && flat.rows() != all.get(0).rows()) {
        throw new ShapeException(
            "%s gives %d rows by %s, %s %d; compare layers with as many positions, or flatten by"
                    .formatted(
                        layers.get(0),
                        all.get(0).rows(),
                        options.flatten(),
                        layers.get(l),
                        flat.rows())
                + " SAMPLE or POOL");
      }
      all.add(flat);
    }
    count(found.get(0).dim(0), all.get(0).rows());
    return all;
  }
}
