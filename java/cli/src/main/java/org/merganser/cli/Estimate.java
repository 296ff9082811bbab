// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.util.Comparator;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * How long a result takes to be computed, from its largest tensor, which is computed on one thread.
 * What a method goes through the whole model for before anything else is done once, by one thread.
 */
final class Estimate {
  private static final long TILE = 1 << 20;
  private static final long LARGEST = 1 << 28;

  private Estimate() {}

  /** Seconds with so many threads, without writing. */
  static double seconds(Checkpoint result, int threads, Workspace ws) throws IOException {
    Map.Entry<String, TensorInfo> sample =
        result.tensors().entrySet().stream()
            .filter(tensor -> tensor.getValue().bytes() <= LARGEST)
            .max(Comparator.comparingLong(tensor -> tensor.getValue().bytes()))
            .orElse(result.tensors().entrySet().iterator().next());
    TensorInfo info = sample.getValue();
    long all = result.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
    try (Workspace one =
        Workspace.builder()
            .backend(ws.backend())
            .threads(1)
            .cancellation(ws.cancellation())
            .open()) {
      long first = System.nanoTime();
      if (result.tensors().size() > 1) {
        String small = smallest(result);
        read(result, small, 0, Math.min(1, result.info(small).size()), one);
      }
      long start = System.nanoTime();
      long tile = result.tile(sample.getKey(), TILE);
      for (long from = 0; from < info.size(); from += tile) {
        ws.cancellation().check();
        read(result, sample.getKey(), from, Math.min(info.size(), from + tile), one);
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      return (start - first) / 1e9 + seconds * all / Math.max(1, info.bytes()) / threads;
    }
  }

  private static String smallest(Checkpoint result) {
    return result.tensors().entrySet().stream()
        .min(Comparator.comparingLong(tensor -> tensor.getValue().bytes()))
        .orElseThrow()
        .getKey();
  }

  private static void read(Checkpoint model, String name, long from, long to, Workspace ws)
      throws IOException {
    try (Tensor part = Tensor.allocate(model.info(name).dtype(), to - from)) {
      model.readRange(name, from, to, part, ws);
    }
  }
}
