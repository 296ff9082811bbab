// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.Plan;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Options;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Minibatch CKA of two networks with {@code layers} layers of {@code width} features, F32.
 *
 * <ul>
 *   <li>{@code batch}: one batch through the accumulator, one Gram matrix a layer, products in
 *       {@code precision}.
 *   <li>{@code pairwise}: the surrogate peer, the pattern of common tools: for each pair of layers
 *       both Gram matrices (F32, by our products) and unbiased HSIC of the pair and of each with
 *       itself.
 *   <li>{@code whole}: 10 000 samples, the last part of a batch left out.
 * </ul>
 *
 * The work is counted as {@code 2 layers batch^2 width} operations a batch, as a symmetric product
 * of each layer has, whichever way it is done.
 */
public class HeatMapBenchmark extends KernelBenchmark {
  private static final int SAMPLES = 10_000;
  private static final int DISTINCT = 4;

  @Param("24")
  int layers;

  @Param("256")
  int batch;

  @Param("1024")
  int width;

  @Param({"F32", "F64"})
  DType precision;

  private List<Layer> left;
  private List<Layer> right;
  private List<Batch> batches;

  @Setup
  public void setUp() {
    open();
    List<String> taps = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      taps.add("layer" + l);
    }
    left = Layer.of(0, taps);
    right = Layer.of(1, taps);
    SplittableRandom random = new SplittableRandom(1);
    batches = new ArrayList<>();
    for (int k = 0; k < DISTINCT; k++) {
      batches.add(RandomLayers.batch(2, taps, batch, width, random));
    }
    validate();
  }

  @TearDown
  public void tearDown() {
    ws.close();
  }

  @Benchmark
  public double batch() {
    return run(1);
  }

  @Benchmark
  public double whole() {
    return run(SAMPLES / batch);
  }

  private double run(int count) {
    Work.flops(count * 2.0 * layers * batch * batch * width);
    return grid(count).value(layers - 1, 0);
  }

  private SimilarityGrid grid(int count) {
    Options options = Options.defaults().withPlan(Plan.minibatch(batch)).withPrecision(precision);
    try (GridAccumulator sums = new GridAccumulator(left, right, -1, options, ws)) {
      for (int k = 0; k < count; k++) {
        sums.accept(batches.get(k % DISTINCT));
      }
      return sums.grid(LinearCka.debiased());
    }
  }

  @Benchmark
  public double pairwise() {
    Work.flops(2.0 * layers * batch * batch * width);
    double last = 0;
    for (int i = 0; i < layers; i++) {
      for (int j = 0; j < layers; j++) {
        last = pair(batches.get(0).of(0, "layer" + i), batches.get(0).of(1, "layer" + j));
      }
    }
    return last;
  }

  private double pair(Tensor x, Tensor y) {
    try (Matrix k = gram(x);
        Matrix l = gram(y)) {
      return hsic(k, l) / Math.sqrt(hsic(k, k) * hsic(l, l));
    }
  }

  /** {@code X X^T} of centred X, the diagonal left as it is. */
  private Matrix gram(Tensor x) {
    return Gram.linear(Matrix.of(x), precision, ws);
  }

  /** As written by Song et al. 2007: products of rows and sums of zero-diagonal matrices. */
  private double hsic(Matrix k, Matrix l) {
    double n = batch;
    double trace = 0;
    double sumK = 0;
    double sumL = 0;
    double both = 0;
    double[] products = LinAlg.rowProducts(k, l, ws);
    double[] ones = new double[batch];
    Arrays.fill(ones, 1);
    try (Matrix one = Matrix.of(Tensor.of(ones, batch, 1));
        Matrix rowsK = LinAlg.multiply(k, one, ws);
        Matrix rowsL = LinAlg.multiply(l, one, ws)) {
      for (int i = 0; i < batch; i++) {
        double ki = rowsK.get(i, 0) - k.get(i, i);
        double li = rowsL.get(i, 0) - l.get(i, i);
        trace += products[i] - k.get(i, i) * l.get(i, i);
        sumK += ki;
        sumL += li;
        both += ki * li;
      }
    }
    return (trace + sumK * sumL / ((n - 1) * (n - 2)) - 2 / (n - 2) * both) / (n * (n - 3));
  }

  /** Both ways find the same for one batch. */
  private void validate() {
    SimilarityGrid one = grid(1);
    double allowed = precision == DType.F64 ? 1e-9 : 1e-4;
    for (int[] cell : new int[][] {{0, 0}, {layers - 1, 0}, {layers / 2, layers - 1}}) {
      double expected =
          pair(batches.get(0).of(0, "layer" + cell[0]), batches.get(0).of(1, "layer" + cell[1]));
      Validation.requireElement(
          "minibatch CKA", cell[0], one.value(cell[0], cell[1]), expected, allowed);
    }
  }
}
