// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;

/**
 * The layers of both sides by their features: {@link PairSums} of every layer of A with every layer
 * of B. Exact for any number of samples, in any batches and any order, with memory {@code sum p_i
 * q_j + sum p_i^2 + sum q_j^2}.
 */
final class FeatureSums implements AutoCloseable {
  private final List<LayerSums> left;
  private final List<LayerSums> right;
  private final List<List<PairSums>> pairs;

  private FeatureSums(List<LayerSums> left, List<LayerSums> right, List<List<PairSums>> pairs) {
    this.left = left;
    this.right = right;
    this.pairs = pairs;
  }

  static FeatureSums of(long[] widthsA, long[] widthsB, Workspace ws) {
    try (Opened opened = new Opened()) {
      List<LayerSums> left = new ArrayList<>();
      List<LayerSums> right = new ArrayList<>();
      List<List<PairSums>> pairs = new ArrayList<>();
      for (long width : widthsA) {
        left.add(opened.add(new LayerSums(width, ws)));
      }
      for (long width : widthsB) {
        right.add(opened.add(new LayerSums(width, ws)));
      }
      for (long p : widthsA) {
        List<PairSums> row = new ArrayList<>();
        pairs.add(row);
        for (long q : widthsB) {
          row.add(opened.add(new PairSums(p, q, ws)));
        }
      }
      opened.release();
      return new FeatureSums(left, right, pairs);
    }
  }

  /** As saved; takes them. */
  static FeatureSums of(List<LayerSums> left, List<LayerSums> right, List<List<PairSums>> pairs) {
    return new FeatureSums(left, right, pairs);
  }

  List<LayerSums> left() {
    return left;
  }

  List<LayerSums> right() {
    return right;
  }

  PairSums pair(int i, int j) {
    return pairs.get(i).get(j);
  }

  long samples() {
    return left.get(0).samples();
  }

  /** Takes in a batch of at least one sample, the same on both sides. */
  void add(List<Matrix> a, List<Matrix> b, Workspace ws) {
    try (Opened opened = new Opened()) {
      List<CentredBatch> x = centred(a, left, opened, ws);
      List<CentredBatch> y = centred(b, right, opened, ws);
      for (int i = 0; i < x.size(); i++) {
        for (int j = 0; j < y.size(); j++) {
          pair(i, j).add(x.get(i), y.get(j), left.get(i), right.get(j), ws);
        }
      }
      addAll(left, x, ws);
      addAll(right, y, ws);
    }
  }

  private static List<CentredBatch> centred(
      List<Matrix> layers, List<LayerSums> before, Opened opened, Workspace ws) {
    List<CentredBatch> all = new ArrayList<>();
    for (int l = 0; l < layers.size(); l++) {
      all.add(opened.add(CentredBatch.of(layers.get(l), before.get(l), ws)));
    }
    return all;
  }

  private static void addAll(List<LayerSums> layers, List<CentredBatch> batch, Workspace ws) {
    for (int l = 0; l < batch.size(); l++) {
      layers.get(l).add(batch.get(l), ws);
    }
  }

  /** Takes in other samples of layers of these widths; the other is no use afterwards. */
  void merge(FeatureSums other, Workspace ws) {
    for (int i = 0; i < left.size(); i++) {
      for (int j = 0; j < right.size(); j++) {
        pair(i, j)
            .merge(
                other.pair(i, j),
                left.get(i),
                right.get(j),
                other.left.get(i),
                other.right.get(j),
                ws);
      }
    }
    for (int i = 0; i < left.size(); i++) {
      left.get(i).merge(other.left.get(i), ws);
    }
    for (int j = 0; j < right.size(); j++) {
      right.get(j).merge(other.right.get(j), ws);
    }
  }

  @Override
  public void close() {
    left.forEach(LayerSums::close);
    right.forEach(LayerSums::close);
    pairs.forEach(row -> row.forEach(PairSums::close));
  }
}
