// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;

/** OpenBLAS's products of n x n matrices, the limit of what consists of products. */
final class Products implements AutoCloseable {
  private final int n;
  private final FloatPointer[] narrow = new FloatPointer[3];
  private final DoublePointer[] wide = new DoublePointer[3];

  Products(int n) {
    this.n = n;
    SplittableRandom random = new SplittableRandom(n);
    for (int k = 0; k < 3; k++) {
      narrow[k] = new FloatPointer((long) n * n);
      wide[k] = new DoublePointer((long) n * n);
      for (long i = 0; i < (long) n * n; i++) {
        float value = (float) (2 * random.nextDouble() - 1);
        narrow[k].put(i, value);
        wide[k].put(i, value);
      }
    }
    validate();
  }

  void f32() {
    Work.flops(2.0 * n * n * n);
    openblas.cblas_sgemm(
        openblas.CblasRowMajor,
        openblas.CblasNoTrans,
        openblas.CblasNoTrans,
        n,
        n,
        n,
        1,
        narrow[0],
        n,
        narrow[1],
        n,
        0,
        narrow[2],
        n);
  }

  void f64() {
    Work.flops(2.0 * n * n * n);
    openblas.cblas_dgemm(
        openblas.CblasRowMajor,
        openblas.CblasNoTrans,
        openblas.CblasNoTrans,
        n,
        n,
        n,
        1,
        wide[0],
        n,
        wide[1],
        n,
        0,
        wide[2],
        n);
  }

  /** A factor, 0 or 1, or the result. */
  Memory copy(int k, DType dtype) {
    Memory copy = Memory.allocate(dtype.bytes((long) n * n));
    for (long i = 0; i < (long) n * n; i++) {
      if (dtype == DType.F32) {
        copy.putFloat(4 * i, narrow[k].get(i));
      } else {
        copy.putDouble(8 * i, wide[k].get(i));
      }
    }
    return copy;
  }

  double result(long i, DType dtype) {
    return dtype == DType.F32 ? narrow[2].get(i) : wide[2].get(i);
  }

  @Override
  public void close() {
    for (int k = 0; k < 3; k++) {
      narrow[k].close();
      wide[k].close();
    }
  }

  /** The first row of both products in plain code. */
  private void validate() {
    f32();
    f64();
    for (int j = 0; j < n; j++) {
      double expected = 0;
      for (int k = 0; k < n; k++) {
        expected += wide[0].get(k) * wide[1].get(k * (long) n + j);
      }
      Validation.requireElement("product in F64", j, wide[2].get(j), expected, 1e-12 * n);
      Validation.requireElement("product in F32", j, narrow[2].get(j), expected, 1e-6 * n);
    }
  }
}
