// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MomentsState;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.StatisticsRequest.Pair;

/**
 * Accumulates moments of one space, batch by batch, in native memory. At most 4096 samples at a
 * time are centred about their own mean and merged, so large means cost no precision. The same
 * batches in the same order give the same bits for any number of threads; another split agrees to
 * 1e-12 (F64) or 1e-5 (MIXED).
 *
 * <p>{@link #close} frees the memory; as a safety net the garbage collector does.
 */
public final class MomentAccumulator implements AutoCloseable {
  private final String space;
  private final long[] widths;
  private final List<Pair> pairs;
  private final Precision precision;
  private final NonFinite nonFinite;
  private final Workspace ws;
  private MomentsState state; // none before the first batch decides the precision
  private boolean closed;

  /**
   * @param space named in messages
   * @param widths number of features of each model
   */
  public MomentAccumulator(
      String space,
      long[] widths,
      StatisticsRequest request,
      Precision precision,
      NonFinite nonFinite,
      Workspace ws) {
    this.space = space;
    this.widths = widths.clone();
    this.pairs = request.pairs(widths.length);
    this.precision = precision;
    this.nonFinite = nonFinite;
    this.ws = ws;
    if (precision != Precision.AUTO) {
      create(precision);
    }
  }

  private void create(Precision chosen) {
    state =
        Kernels.of(ws)
            .moments(
                "the accumulator of space '" + space + "'",
                widths,
                pairs.stream().mapToInt(Pair::i).toArray(),
                pairs.stream().mapToInt(Pair::j).toArray(),
                chosen.code(),
                nonFinite.code());
  }

  /**
   * Adds the activations of one batch: for each model [samples x features] or [samples x features x
   * positions...], where every position of every sample counts as a sample. F32 or F64, the same
   * type and number of samples for all.
   */
  public void update(List<Tensor> activations) {
    update(activations, 1);
  }

  /**
   * The same with features on another axis.
   *
   * @param featureAxis from 1 on, or from the end: -1 for [samples x tokens x features]
   */
  public void update(List<Tensor> activations, int featureAxis) {
    List<Tensor> views = new ArrayList<>();
    for (Tensor tensor : activations) {
      views.add(FeatureAxis.second(space, tensor, featureAxis));
    }
    updateSecond(views);
  }

  private void updateSecond(List<Tensor> activations) {
    if (activations.size() != widths.length) {
      throw new ShapeException(activations.size() + " tensors for " + widths.length + " models");
    }
    Tensor first = activations.get(0);
    if (first.rank() < 2 || first.dtype() != DType.F32 && first.dtype() != DType.F64) {
      throw new ShapeException("activations of space '" + space + "' are " + first);
    }
    long outer = first.dim(0);
    long inner = positions(first);
    long[] strides = new long[3 * widths.length];
    Block[] data = new Block[widths.length];
    for (int k = 0; k < widths.length; k++) {
      Tensor tensor = activations.get(k);
      check(tensor, k, first, outer, inner);
      data[k] = Block.of(tensor);
      strides[3 * k] = widths[k] * inner;
      strides[3 * k + 1] = 1;
      strides[3 * k + 2] = inner;
    }
    if (state == null && !closed) {
      create(first.dtype() == DType.F64 ? Precision.F64 : Precision.MIXED);
    }
    try {
      state().update(data, first.dtype().code(), outer, inner, strides);
    } catch (NumericalException e) {
      // The native side counts samples from the start of this batch.
      long before = state().count() + state().skipped();
      String batch = before == 0 ? "" : ", batch after " + before + " samples";
      throw new NumericalException(
          "space '" + space + "'" + batch + ": " + e.getMessage() + remedy(e), e);
    }
  }

  /** What has been accumulated so far. */
  public SpaceMoments moments() {
    try {
      if (state == null && !closed) {
        throw new NumericalException("no samples");
      }
      return read();
    } catch (NumericalException e) {
      throw new NumericalException("space '" + space + "': " + e.getMessage() + remedy(e), e);
    }
  }

  private static String remedy(NumericalException e) {
    if (e.getMessage().contains("sample ")) {
      return "; look for what makes it so, or drop such samples (NonFinite.SKIP_SAMPLE,"
          + " --skip-non-finite)";
    }
    return e.getMessage().endsWith("the F64 mode") ? " (Precision.F64, --precision f64)" : "";
  }

  private SpaceMoments read() {
    long samples = state().count();
    if (samples == 0) {
      long skipped = state().skipped();
      throw new NumericalException(
          "no samples"
              + (skipped == 0 ? "" : ", all " + skipped + " were skipped for non-finite values"));
    }
    double[][] means = new double[widths.length][];
    double[][] m2 = new double[widths.length][];
    for (int k = 0; k < widths.length; k++) {
      means[k] = new double[Math.toIntExact(widths[k])];
      m2[k] = new double[means[k].length];
      state().series(k, means[k], m2[k]);
    }
    try (Opened opened = new Opened()) {
      Map<Pair, Matrix> blocks = new LinkedHashMap<>();
      for (int p = 0; p < pairs.size(); p++) {
        Pair pair = pairs.get(p);
        Matrix block = opened.add(Matrix.allocate(widths[pair.i()], widths[pair.j()], ws));
        state().block(p, Block.of(block.asTensor()));
        blocks.put(pair, block);
      }
      long skipped = state().skipped();
      opened.release();
      return new SpaceMoments(samples, skipped, means, m2, blocks);
    }
  }

  @Override
  public void close() {
    closed = true;
    if (state != null) {
      state.close();
    }
  }

  private void check(Tensor tensor, int model, Tensor first, long outer, long inner) {
    if (tensor.rank() < 2
        || tensor.dtype() != first.dtype()
        || tensor.dim(0) != outer
        || tensor.dim(1) != widths[model]
        || positions(tensor) != inner) {
      throw new ShapeException(
          "space '"
              + space
              + "', model "
              + model
              + ": activations are "
              + tensor
              + ", needed "
              + first.dtype()
              + " with "
              + outer
              + " samples, "
              + widths[model]
              + " features and "
              + inner
              + " positions");
    }
  }

  private static long positions(Tensor tensor) {
    return Tensor.size(Arrays.copyOfRange(tensor.shape(), 2, tensor.rank()));
  }

  private MomentsState state() {
    if (state == null) {
      throw new IllegalStateException("the accumulator of space '" + space + "' is closed");
    }
    return state;
  }
}
