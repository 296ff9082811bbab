// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Objective.Slot;

/** Logits as coefficients. */
final class NpCoefficients {
  private NpCoefficients() {}

  /**
   * Takes the logits over and turns copies on the host into coefficients.
   *
   * @param logits of each slot; emptied
   */
  static MemoryCheckpoint of(
      List<Slot> slots, List<Tensor> logits, NpMerger.Options options, int models, Workspace ws) {
    Map<String, Tensor> coefficients = new LinkedHashMap<>();
    for (int s = 0; s < slots.size(); s++) {
      Tensor host = logits.get(s).toHost(ws);
      logits.get(s).close();
      switch (options.form()) {
        case SIGMOID -> sigmoid(host);
        case SOFTMAX -> softmax(host, models);
        case CLAMP -> {
          // They are the coefficients.
        }
      }
      long[] shape = shape(slots.get(s), options, models);
      coefficients.put(slots.get(s).name(), Tensor.over(host.memory(), DType.F32, shape));
    }
    logits.clear();
    return MemoryCheckpoint.of(coefficients);
  }

  private static long[] shape(Slot slot, NpMerger.Options options, int models) {
    long[] one =
        switch (options.granularity()) {
          case PARAMETER -> slot.info().dims();
          case ROW -> new long[] {slot.info().rank() == 0 ? 1 : slot.info().dim(0)};
          case TENSOR -> new long[] {1};
        };
    return options.form() == NpMerger.Form.SOFTMAX
        ? LongStream.concat(LongStream.of(models), LongStream.of(one)).toArray()
        : one;
  }

  private static void sigmoid(Tensor z) {
    for (long i = 0; i < z.size(); i++) {
      z.set(i, 1 / (1 + Math.exp(-z.get(i))));
    }
  }

  /** One plane of logits after the other. */
  private static void softmax(Tensor z, int models) {
    long plane = z.size() / models;
    double[] weight = new double[models];
    for (long i = 0; i < plane; i++) {
      double largest = Double.NEGATIVE_INFINITY;
      for (int k = 0; k < models; k++) {
        weight[k] = z.get(k * plane + i);
        largest = Math.max(largest, weight[k]);
      }
      double sum = 0;
      for (int k = 0; k < models; k++) {
        weight[k] = Math.exp(weight[k] - largest);
        sum += weight[k];
      }
      for (int k = 0; k < models; k++) {
        z.set(k * plane + i, weight[k] / sum);
      }
    }
  }
}
