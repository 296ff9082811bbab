// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Samples that are the rows of a matrix too large to be held, such as parameters of networks, read
 * some columns at a time.
 */
public interface SampleRows {
  /** Number of samples, N. */
  long samples();

  /** Elements of a sample, P. */
  long width();

  /** F32 or F64. */
  DType dtype();

  /**
   * Reads columns {@code from} to {@code to} of all samples, perhaps while another thread computes
   * in the Workspace.
   *
   * @param into [N x (to - from)], of {@link #dtype}, on the host
   */
  void read(long from, long to, Matrix into, Workspace ws) throws IOException;

  /** Of a matrix in memory on the host, which must stay open. */
  static SampleRows of(Matrix matrix) {
    return new SampleRows() {
      @Override
      public long samples() {
        return matrix.rows();
      }

      @Override
      public long width() {
        return matrix.columns();
      }

      @Override
      public DType dtype() {
        return matrix.dtype();
      }

      @Override
      public void read(long from, long to, Matrix into, Workspace ws) {
        Tensor all = matrix.asTensor();
        Tensor part = into.asTensor();
        long width = to - from;
        for (long i = 0; i < matrix.rows(); i++) {
          try (Tensor flat = all.reshape(all.size());
              Tensor row = flat.rows(i * matrix.columns() + from, i * matrix.columns() + to);
              Tensor target = part.reshape(part.size());
              Tensor place = target.rows(i * width, (i + 1) * width)) {
            place.copyFrom(row, ws);
          }
        }
      }
    };
  }

  /**
   * Of an open {@code .npy} file of two dimensions, F32 or F64, which must stay open.
   *
   * @throws ShapeException when it has another shape or type
   */
  static SampleRows of(Npy file) {
    return NpyColumns.of(file);
  }
}
