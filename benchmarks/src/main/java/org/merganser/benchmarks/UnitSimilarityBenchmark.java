// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What the alignment of transformers asks of hidden units before it matches them: their similarity,
 * the sum of three products (gates, ups, downs), of the sizes of one layer. Beside it one product
 * of three times the length, which it should cost. The assignment that follows is {@link
 * AssignmentBenchmark} ({@code -p n=1536,4864}), rotations of heads are {@link
 * ProcrustesBenchmark}.
 */
public class UnitSimilarityBenchmark extends KernelBenchmark {
  private static final int TERMS = 3;

  /** Of SmolLM2-135M and Qwen2.5-0.5B: hidden units and width. */
  @Param({"1536x576", "4864x896"})
  String layer;

  private final List<Matrix> terms = new ArrayList<>();
  private Matrix longX;
  private Matrix longY;
  private Matrix similarity;
  private long units;
  private long width;

  @Setup
  public void setUp() {
    open();
    String[] sizes = layer.split("x");
    units = Long.parseLong(sizes[0]);
    width = Long.parseLong(sizes[1]);
    longX = uniform(units, TERMS * width, 1);
    longY = uniform(units, TERMS * width, 2);
    for (int k = 0; k < TERMS; k++) {
      terms.add(part(longX, k));
      terms.add(part(longY, k));
    }
    similarity = Matrix.of(Tensor.zeros(DType.F32, units, units));
    threeProducts();
    double sum = similarity.get(1, 2);
    oneProduct();
    Validation.require(
        "one product instead of three", Math.abs(similarity.get(1, 2) - sum), 1e-6 * TERMS * width);
  }

  private static Matrix uniform(long rows, long columns, long seed) {
    return Matrix.of(Tensor.over(Buffers.uniform(rows * columns, seed), DType.F32, rows, columns));
  }

  private Matrix part(Matrix all, int k) {
    Matrix part = Matrix.of(Tensor.zeros(DType.F32, units, width));
    for (long i = 0; i < units; i++) {
      for (long j = 0; j < width; j++) {
        part.set(i, j, all.get(i, k * width + j));
      }
    }
    return part;
  }

  @TearDown
  public void tearDown() {
    terms.forEach(Matrix::close);
    similarity.close();
    longX.close();
    longY.close();
    ws.close();
  }

  @Benchmark
  public void threeProducts() {
    Work.flops(2.0 * TERMS * units * units * width);
    similarity.asTensor().memory().clear();
    for (int k = 0; k < TERMS; k++) {
      LinAlg.addProduct(1, terms.get(2 * k), terms.get(2 * k + 1), similarity, ws);
    }
  }

  @Benchmark
  public void oneProduct() {
    Work.flops(2.0 * TERMS * units * units * width);
    similarity.asTensor().memory().clear();
    LinAlg.addProduct(1, longX, longY, similarity, ws);
  }
}
