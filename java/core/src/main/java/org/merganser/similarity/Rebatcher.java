// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Layers in batches of a size of one's own, whatever they come in: what a batch leaves over waits
 * for the next. A batch that comes in the right size is handed on as it is.
 */
final class Rebatcher implements AutoCloseable {
  /** Takes batches of the size wanted. */
  interface Next {
    void accept(List<Matrix> layers);
  }

  private final long size;
  private final Workspace ws;
  private final List<Tensor> held = new ArrayList<>();
  private long filled;

  /**
   * @param size rows of a batch
   */
  Rebatcher(long size, Workspace ws) {
    this.size = size;
    this.ws = ws;
  }

  /** Rows that wait. */
  long waiting() {
    return filled;
  }

  void add(List<Matrix> layers, Next next) {
    long rows = layers.get(0).rows();
    long from = 0;
    while (from < rows) {
      long take = Math.min(size - filled, rows - from);
      if (filled == 0 && take == size) {
        part(layers, from, from + size, next);
      } else {
        hold(layers, from, from + take);
        if (filled == size) {
          filled = 0;
          next.accept(held.stream().map(Matrix::of).toList());
        }
      }
      from += take;
    }
  }

  /** Hands on what waits, if it is as much. */
  void finish(long least, Next next) {
    if (filled >= Math.max(1, least)) {
      part(held.stream().map(Matrix::of).toList(), 0, filled, next);
      filled = 0;
    }
  }

  private static void part(List<Matrix> layers, long from, long to, Next next) {
    try (Opened opened = new Opened()) {
      List<Matrix> parts = new ArrayList<>();
      for (Matrix layer : layers) {
        parts.add(Matrix.of(opened.add(layer.asTensor().rows(from, to))));
      }
      next.accept(parts);
    }
  }

  private void hold(List<Matrix> layers, long from, long to) {
    if (held.isEmpty()) {
      for (Matrix layer : layers) {
        held.add(Tensor.allocate(layer.dtype(), new long[] {size, layer.columns()}, ws));
      }
    }
    for (int l = 0; l < layers.size(); l++) {
      Matrix layer = layers.get(l);
      Tensor room = held.get(l);
      if (room.dtype() != layer.dtype() || room.dim(1) != layer.columns()) {
        throw new ShapeException(
            "layer " + l + " was " + room + " before and comes as " + layer + " now");
      }
      try (Tensor target = room.rows(filled, filled + to - from);
          Tensor source = layer.asTensor().rows(from, to)) {
        target.copyFrom(source, ws);
      }
    }
    filled += to - from;
  }

  @Override
  public void close() {
    held.forEach(Tensor::close);
    held.clear();
    filled = 0;
  }
}
