// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/** Activations given as rows of samples, and moments of them. */
public final class Activations {
  /** Every block there is. */
  public static final StatisticsRequest ALL =
      StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS, Part.ALL_CROSS);

  private Activations() {}

  public static Tensor tensor(DType dtype, double[][] rows, Workspace ws) {
    int columns = rows[0].length;
    double[] flat = new double[rows.length * columns];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, flat, i * columns, columns);
    }
    Tensor tensor = Tensor.of(flat, rows.length, columns);
    return dtype == DType.F64 ? tensor : tensor.to(dtype, ws).toHost(ws);
  }

  /** Moments of one batch with all blocks. */
  public static SpaceMoments moments(Precision precision, Workspace ws, double[][]... models) {
    DType dtype = precision == Precision.F64 ? DType.F64 : DType.F32;
    try (MomentAccumulator accumulator = accumulator(precision, ws, models)) {
      accumulator.update(tensors(dtype, ws, models));
      return accumulator.moments();
    }
  }

  public static MomentAccumulator accumulator(
      Precision precision, Workspace ws, double[][]... models) {
    long[] widths = new long[models.length];
    for (int k = 0; k < models.length; k++) {
      widths[k] = models[k][0].length;
    }
    return new MomentAccumulator("s", widths, ALL, precision, NonFinite.FAIL, ws);
  }

  public static List<Tensor> tensors(DType dtype, Workspace ws, double[][]... models) {
    List<Tensor> tensors = new ArrayList<>();
    for (double[][] model : models) {
      tensors.add(tensor(dtype, model, ws));
    }
    return tensors;
  }

  /** One space {@code s} between {@code in.weight} and {@code out.weight}. */
  public static Architecture oneSpace(int width, MapFamily exact) {
    return Architecture.builder()
        .space(
            "s",
            width,
            exact,
            Binding.of("in.weight", 0, Role.WEIGHT_OUT),
            Binding.of("out.weight", 1, Role.WEIGHT_IN))
        .build();
  }

  public static Moments of(SpaceMoments moments) {
    return Moments.of(Map.of("s", moments));
  }
}
