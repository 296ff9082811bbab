// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.symmetry.WeightPair.Both;

/**
 * What lies in the residual stream and belongs to no layer: embeddings, the head, the norms around
 * them. Read in parts, since vocabularies are long.
 */
final class StreamPart {
  private static final int ROWS = 4096;
  private static final Map<String, String> MATRICES = matrices();

  private final WeightPair models;

  StreamPart(WeightPair models) {
    this.models = models;
  }

  private static Map<String, String> matrices() {
    Map<String, String> matrices = new LinkedHashMap<>();
    matrices.put("model.embed_tokens.weight", "embedding");
    matrices.put("model.embed_positions.weight", "embedding");
    matrices.put("model.embed_types.weight", "embedding");
    matrices.put("lm_head.weight", "head");
    return matrices;
  }

  private StreamVectors vectors(Workspace ws) throws IOException {
    StreamVectors vectors = new StreamVectors();
    for (String norm : List.of("model.embed_norm", "model.norm")) {
      vectors.norm(models, norm, ws);
    }
    return vectors;
  }

  private interface Use {
    void of(String family, Both rows);
  }

  private void each(Use use, Workspace ws) throws IOException {
    for (Map.Entry<String, String> matrix : MATRICES.entrySet()) {
      String name = matrix.getKey();
      long rows = models.has(name) ? models.target().weights().info(name).dim(0) : 0;
      for (long from = 0; from < rows; from += ROWS) {
        ws.cancellation().check();
        try (Both part = models.rows(name, from, Math.min(rows, from + ROWS), ws)) {
          use.of(matrix.getValue(), part);
        }
      }
    }
  }

  /** Squared distances by family, the source moved. */
  Map<String, Double> distances(Stream stream, Workspace ws) throws IOException {
    Fit fit = new Fit(1);
    each(
        (family, rows) -> {
          try (Matrix moved = stream.moved(rows.source(), ws)) {
            fit.rows(family, Rows.of(rows.target()), Rows.of(moved));
          }
        },
        ws);
    StreamVectors vectors = vectors(ws);
    vectors.move(stream);
    return fit.distance("norm", vectors.squaredDistance()).distances();
  }

  /** Adds {@code T^T S}, as {@link LayerPart#addCross}, of a source that has not moved. */
  void addCross(Crosses sums, Workspace ws) throws IOException {
    each((family, rows) -> sums.addRows(Rows.of(rows.target()), Rows.of(rows.source()), ws), ws);
    vectors(ws).addCross(sums, ws);
  }
}
