// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.similarity;

import java.util.ArrayList;
import java.util.List;
import org.merganser.cka.CkaMap;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.model.PairedActivations;

/** Inner products of the Grams of all layers of all models, summed over whole batches. */
final class MapSums implements PairedActivations.Sink {
  private final int models;
  private final List<String> taps;
  private final int batch;
  private final Workspace ws;
  private final double[][] sums;

  MapSums(int models, List<String> taps, int batch, Workspace ws) {
    this.models = models;
    this.taps = taps;
    this.batch = batch;
    this.ws = ws;
    this.sums = new double[models * taps.size()][models * taps.size()];
  }

  @Override
  public void accept(PairedActivations.Batch found) {
    if (found.samples() < batch) {
      return;
    }
    List<Matrix> layers = new ArrayList<>();
    for (int model = 0; model < models; model++) {
      for (String tap : taps) {
        layers.add(CkaMapTerm.flat(found.of(model, tap)));
      }
    }
    try (CkaMap map = CkaMap.debiased(layers, ws)) {
      for (int i = 0; i < sums.length; i++) {
        for (int j = 0; j < sums.length; j++) {
          // NaN where one is dead, whose Gram is 0.
          double product = map.norm(i) * map.norm(j);
          sums[i][j] += product == 0 ? 0 : product * map.get(i, j);
        }
      }
    }
  }

  double[][] map() {
    double[][] map = new double[sums.length][sums.length];
    for (int i = 0; i < map.length; i++) {
      for (int j = 0; j < map.length; j++) {
        double cka = sums[i][j] / Math.sqrt(sums[i][i]) / Math.sqrt(sums[j][j]);
        map[i][j] = Math.max(-1, Math.min(1, cka));
      }
    }
    return map;
  }
}
