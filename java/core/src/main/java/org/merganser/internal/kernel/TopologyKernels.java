// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_barcode;

/** Persistent homology. Results lie on the heap. */
public final class TopologyKernels {
  private final Context context;

  TopologyKernels(Context context) {
    this.context = context;
  }

  /**
   * What {@code mg_rips} finds.
   *
   * @param points of each degree: birth and death of one class after the other
   */
  public record Barcode(double threshold, float[][] points) {}

  /**
   * Of a Vietoris-Rips filtration.
   *
   * @param x F64 or F32: distances, square, or points, one a row
   * @param threshold the last diameter; below 0 for the enclosing radius
   * @param maxDegree at most 2
   */
  public Barcode rips(MatrixBlock x, boolean points, double threshold, int maxDegree) {
    if (!points) {
      Kernels.requireLength("row", x.columns(), x.rows());
    }
    try (Call call = context.enter();
        PointerPointer<mg_barcode> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      call.check(
          merganser.mg_rips(
              call.context(),
              x.dtype(),
              x.rows(),
              points ? x.columns() : -1,
              call.in(x.block()),
              x.ld(),
              threshold,
              maxDegree,
              out));
      mg_barcode barcode = new mg_barcode(new Address(out.get(0).address()));
      try {
        float[][] pairs = new float[maxDegree + 1][];
        for (int degree = 0; degree <= maxDegree; degree++) {
          long count = merganser.mg_barcode_count(barcode, degree);
          pairs[degree] = new float[Math.toIntExact(2 * count)];
          Status.check(merganser.mg_barcode_points(barcode, degree, pairs[degree]));
        }
        return new Barcode(merganser.mg_barcode_threshold(barcode), pairs);
      } finally {
        merganser.mg_barcode_destroy(barcode);
      }
    }
  }
}
