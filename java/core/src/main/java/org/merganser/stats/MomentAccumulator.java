// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.lang.ref.Cleaner;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Kernels;
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
  private static final boolean TRACKED = Boolean.getBoolean("merganser.trackAllocations");
  private static final System.Logger LOG = System.getLogger(MomentAccumulator.class.getName());
  private static final Cleaner CLEANER = Cleaner.create();

  private final String space;
  private final long[] widths;
  private final List<Pair> pairs;
  private final Precision precision;
  private final NonFinite nonFinite;
  private final Workspace ws;
  private Free free; // none before the first batch decides the precision
  private Cleaner.Cleanable cleanable;
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
    long handle =
        ws.kernels()
            .momentsCreate(
                widths,
                pairs.stream().mapToInt(Pair::i).toArray(),
                pairs.stream().mapToInt(Pair::j).toArray(),
                chosen.ordinal(),
                nonFinite.ordinal());
    free = new Free(handle, space);
    cleanable = CLEANER.register(this, free);
  }

  /**
   * Adds the activations of one batch: for each model [samples x features] or [samples x features x
   * positions...], where every position of every sample counts as a sample. F32 or F64, the same
   * type and number of samples for all.
   */
  public void update(List<Tensor> activations) {
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
    long[] data = new long[widths.length];
    for (int k = 0; k < widths.length; k++) {
      Tensor tensor = activations.get(k);
      check(tensor, k, first, outer, inner);
      data[k] = tensor.address();
      strides[3 * k] = widths[k] * inner;
      strides[3 * k + 1] = 1;
      strides[3 * k + 2] = inner;
    }
    if (free == null && !closed) {
      create(first.dtype() == DType.F64 ? Precision.F64 : Precision.MIXED);
    }
    try {
      ws.kernels().momentsUpdate(handle(), data, first.dtype().code(), outer, inner, strides);
    } catch (NumericalException e) {
      // The native side counts samples from the start of this batch.
      long before = ws.kernels().momentsCount(handle()) + ws.kernels().momentsSkipped(handle());
      String batch = before == 0 ? "" : ", batch after " + before + " samples";
      throw new NumericalException(
          "space '" + space + "'" + batch + ": " + e.getMessage() + remedy(e), e);
    }
    Memory.keepAlive(activations, this);
  }

  /** What has been accumulated so far. */
  public SpaceMoments moments() {
    if (free == null && !closed) {
      throw new NumericalException("space '" + space + "': no samples");
    }
    try {
      return read();
    } catch (NumericalException e) {
      throw new NumericalException(e.getMessage() + remedy(e), e);
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
    long samples = ws.kernels().momentsCount(handle());
    if (samples == 0) {
      long skipped = ws.kernels().momentsSkipped(handle());
      throw new NumericalException(
          "space '"
              + space
              + "': no samples"
              + (skipped == 0 ? "" : ", all " + skipped + " were skipped for non-finite values"));
    }
    double[][] means = new double[widths.length][];
    double[][] m2 = new double[widths.length][];
    for (int k = 0; k < widths.length; k++) {
      means[k] = new double[Math.toIntExact(widths[k])];
      m2[k] = new double[means[k].length];
      ws.kernels().momentsStream(handle(), k, means[k], m2[k]);
    }
    Map<Pair, Matrix> blocks = new LinkedHashMap<>();
    for (int p = 0; p < pairs.size(); p++) {
      Pair pair = pairs.get(p);
      Matrix block = Matrix.allocate(widths[pair.i()], widths[pair.j()]);
      ws.kernels().momentsBlock(handle(), p, block.address());
      Memory.keepAlive(block);
      blocks.put(pair, block);
    }
    long skipped = ws.kernels().momentsSkipped(handle());
    Memory.keepAlive(this);
    return new SpaceMoments(samples, skipped, means, m2, blocks);
  }

  @Override
  public void close() {
    closed = true;
    if (free != null) {
      free.closed = true;
      free = null;
      cleanable.clean();
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
    long product = 1;
    for (int axis = 2; axis < tensor.rank(); axis++) {
      product *= tensor.dim(axis);
    }
    return product;
  }

  private long handle() {
    if (free == null) {
      throw new IllegalStateException("the accumulator of space '" + space + "' is closed");
    }
    return free.handle;
  }

  /** Frees the state; says so when the owner forgot to and allocations are tracked. */
  private static final class Free implements Runnable {
    private final long handle;
    private final String space;
    private final Throwable site;
    private volatile boolean closed;

    Free(long handle, String space) {
      this.handle = handle;
      this.space = space;
      this.site = TRACKED ? new Throwable("allocated here") : null;
    }

    @Override
    public void run() {
      Kernels.momentsDestroy(handle);
      if (site != null && !closed) {
        LOG.log(
            System.Logger.Level.WARNING,
            "moments of space '" + space + "' were freed by the garbage collector, not by close()",
            site);
      }
    }
  }
}
