// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
import org.merganser.compute.DType;

/**
 * OpenBLAS's {@code X X^T} of n rows that are in memory, one triangle, in F32 or F64: the limit of
 * products that are streamed. Counted as {@code n^2 depth} operations.
 */
final class Syrk implements AutoCloseable {
  private final DType dtype;
  private final int n;
  private final int depth;
  private final FloatPointer[] narrow = new FloatPointer[2];
  private final DoublePointer[] wide = new DoublePointer[2];

  Syrk(DType dtype, int n, int depth) {
    this.dtype = dtype;
    this.n = n;
    this.depth = depth;
    SplittableRandom random = new SplittableRandom(n);
    long[] sizes = {(long) n * depth, (long) n * n};
    for (int k = 0; k < sizes.length; k++) {
      if (dtype == DType.F32) {
        narrow[k] = new FloatPointer(sizes[k]);
      } else {
        wide[k] = new DoublePointer(sizes[k]);
      }
    }
    for (long i = 0; i < sizes[0]; i++) {
      float value = (float) (2 * random.nextDouble() - 1);
      if (dtype == DType.F32) {
        narrow[0].put(i, value);
      } else {
        wide[0].put(i, value);
      }
    }
    validate();
  }

  /** Operations of a call, by the count of ours. */
  double flops() {
    return (double) n * n * depth;
  }

  void run() {
    int order = openblas.CblasRowMajor;
    int lower = openblas.CblasLower;
    int plain = openblas.CblasNoTrans;
    if (dtype == DType.F32) {
      openblas.cblas_ssyrk(order, lower, plain, n, depth, 1, narrow[0], depth, 0, narrow[1], n);
    } else {
      openblas.cblas_dsyrk(order, lower, plain, n, depth, 1, wide[0], depth, 0, wide[1], n);
    }
  }

  private void validate() {
    run();
    for (int i = 0; i < n; i += 97) {
      double sum = 0;
      for (int k = 0; k < depth; k++) {
        sum += in(0, (long) i * depth + k) * in(0, k);
      }
      double tolerance = (dtype == DType.F32 ? 1e-5 : 1e-12) * depth;
      Validation.requireElement("syrk", i, in(1, (long) i * n), sum, tolerance);
    }
  }

  private double in(int which, long at) {
    return dtype == DType.F32 ? narrow[which].get(at) : wide[which].get(at);
  }

  @Override
  public void close() {
    for (int k = 0; k < 2; k++) {
      if (dtype == DType.F32) {
        narrow[k].close();
      } else {
        wide[k].close();
      }
    }
  }
}
