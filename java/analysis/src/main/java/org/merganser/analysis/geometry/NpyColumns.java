// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** Columns of a file whose rows lie one after the other. */
record NpyColumns(Npy file) implements SampleRows {
  static NpyColumns of(Npy file) {
    TensorInfo info = file.info();
    boolean real = info.dtype() == DType.F32 || info.dtype() == DType.F64;
    if (info.rank() != 2 || !real) {
      throw new ShapeException("samples are [N x P], F32 or F64, not " + info);
    }
    return new NpyColumns(file);
  }

  @Override
  public long samples() {
    return file.info().dim(0);
  }

  @Override
  public long width() {
    return file.info().dim(1);
  }

  @Override
  public DType dtype() {
    return file.info().dtype();
  }

  @Override
  public void read(long sample, long from, long to, Tensor into, Workspace ws) throws IOException {
    long begin = sample * width();
    file.readRange(begin + from, begin + to, into);
  }
}
