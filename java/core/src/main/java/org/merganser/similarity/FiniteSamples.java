// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.stats.NonFinite;

/** Samples with NaN or infinite activations in any layer. */
final class FiniteSamples {
  private FiniteSamples() {}

  /**
   * Which they are; null when there are none.
   *
   * @param first number of the first sample, for messages
   * @throws NumericalException naming layer, sample and element, unless they are to be dropped
   */
  static boolean[] bad(
      List<Layer> layers, List<Tensor> found, long first, NonFinite nonFinite, Workspace ws) {
    boolean[] bad = null;
    for (int l = 0; l < found.size(); l++) {
      Tensor t = found.get(l);
      long[] counted = Kernels.of(ws).tensors().nonFinite(t.dtype().code(), t.size(), Block.of(t));
      if (counted[0] == 0) {
        continue;
      }
      int samples = Math.toIntExact(t.dim(0));
      long each = t.size() / samples;
      if (nonFinite == NonFinite.FAIL) {
        throw refused(layers.get(l), t, first, counted[1] / each, counted[1] % each, ws);
      }
      bad = bad == null ? new boolean[samples] : bad;
      mark(t, bad, ws);
    }
    return bad;
  }

  private static NumericalException refused(
      Layer layer, Tensor t, long first, long row, long element, Workspace ws) {
    try (Tensor one = t.rows(row, row + 1);
        Tensor host = one.toHost(ws)) {
      return new NumericalException(
          "activations of '%s' of model %d: element %d of sample %d is %s; correct it, or drop such"
                  .formatted(layer.tap(), layer.model(), element, first + row, host.get(element))
              + " samples on both sides (NonFinite.SKIP_SAMPLE)");
    }
  }

  private static void mark(Tensor t, boolean[] bad, Workspace ws) {
    for (int s = 0; s < bad.length; s++) {
      try (Tensor row = t.rows(s, s + 1)) {
        long[] counted =
            Kernels.of(ws).tensors().nonFinite(row.dtype().code(), row.size(), Block.of(row));
        bad[s] |= counted[0] > 0;
      }
    }
  }

  /** Copies of the other samples. */
  static List<Tensor> without(List<Tensor> all, boolean[] bad, Opened opened, Workspace ws) {
    int kept = 0;
    for (boolean each : bad) {
      kept += each ? 0 : 1;
    }
    List<Tensor> copies = new ArrayList<>();
    for (Tensor t : all) {
      long[] shape = t.shape();
      shape[0] = kept;
      Tensor copy = opened.add(Tensor.allocate(t.dtype(), shape, ws));
      int to = 0;
      for (int s = 0; s < bad.length; s++) {
        if (!bad[s]) {
          try (Tensor source = t.rows(s, s + 1);
              Tensor target = copy.rows(to, to + 1)) {
            target.copyFrom(source, ws);
          }
          to++;
        }
      }
      copies.add(copy);
    }
    return copies;
  }
}
