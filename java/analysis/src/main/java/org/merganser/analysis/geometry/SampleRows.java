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
   * Reads elements {@code from} to {@code to} of a sample, perhaps while another thread computes in
   * the Workspace.
   *
   * @param into [to - from], of {@link #dtype}, on the host
   */
  void read(long sample, long from, long to, Tensor into, Workspace ws) throws IOException;

  /**
   * Those of all samples.
   *
   * @param into [N x (to - from)], of {@link #dtype}, on the host
   */
  default void read(long from, long to, Matrix into, Workspace ws) throws IOException {
    long columns = to - from;
    try (Tensor all = into.asTensor().reshape(into.rows() * columns)) {
      for (long i = 0; i < into.rows(); i++) {
        try (Tensor row = all.rows(i * columns, (i + 1) * columns)) {
          read(i, from, to, row, ws);
        }
      }
    }
  }

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
      public void read(long sample, long from, long to, Tensor into, Workspace ws) {
        long begin = sample * matrix.columns();
        try (Tensor flat = matrix.asTensor().reshape(matrix.rows() * matrix.columns());
            Tensor part = flat.rows(begin + from, begin + to)) {
          into.copyFrom(part, ws);
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
