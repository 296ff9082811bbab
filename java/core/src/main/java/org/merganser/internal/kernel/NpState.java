// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.error.NumericalException;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_context;
import org.merganser.natives.mg_np;
import org.merganser.natives.mg_np_options;

/**
 * The state of NP Merge where a backend keeps it ({@code mg_np_*}): logits and the moments of the
 * optimiser. A step allocates nothing. Addresses are those of the backend's device.
 */
public final class NpState implements AutoCloseable {
  /** The logits. */
  public static final int Z = merganser.MG_NP_Z;

  /** The first moment: of Adam, and of SGD with momentum. */
  public static final int M = merganser.MG_NP_M;

  /** The second moment: of Adam. */
  public static final int V = merganser.MG_NP_V;

  /**
   * Form 0 sigmoid, 1 clamp, 2 softmax; optimizer 0 Adam, 1 SGD; granularity 0 parameter, 1 row, 2
   * tensor.
   *
   * @param dtype code of the models' type, F32 or BF16
   */
  public record Options(
      int form,
      int optimizer,
      int granularity,
      int models,
      int dtype,
      double beta1,
      double beta2,
      double epsilon,
      double momentum,
      double pull,
      double limit) {}

  /** A gradient that would ruin the state; nothing was changed. */
  public static final class BadGradient extends NumericalException {
    private static final long serialVersionUID = 1;

    private final int slot;
    private final long index;

    BadGradient(int slot, long index, NumericalException cause) {
      super(cause.getMessage(), cause);
      this.slot = slot;
      this.index = index;
    }

    public int slot() {
      return slot;
    }

    public long index() {
      return index;
    }
  }

  private final mg_context context;
  private final LongPointer gradients;
  private final LongPointer thetas;
  private final PointerPointer<Pointer> gradient;
  private final PointerPointer<Pointer> theta;
  private final IntPointer badSlot = JavaCppLimit.explain(() -> new IntPointer(1));
  private final LongPointer badIndex = JavaCppLimit.explain(() -> new LongPointer(1));
  private mg_np np;

  private NpState(mg_context context, mg_np np, int slots) {
    this.context = context;
    this.np = np;
    this.gradients = JavaCppLimit.explain(() -> new LongPointer(slots));
    this.thetas = JavaCppLimit.explain(() -> new LongPointer(slots));
    // The same memory as arrays of pointers.
    this.gradient = new PointerPointer<>(gradients);
    this.theta = new PointerPointer<>(thetas);
  }

  static NpState create(
      mg_context context,
      Options options,
      long[] counts,
      long[] rows,
      long[] in,
      double[] initial) {
    try (PointerPointer<mg_np> out = JavaCppLimit.explain(() -> new PointerPointer<>(1));
        PointerPointer<Pointer> models = Kernels.pointers(in);
        LongPointer sizes = JavaCppLimit.explain(() -> new LongPointer(counts));
        LongPointer heights = JavaCppLimit.explain(() -> new LongPointer(rows));
        DoublePointer weights =
            initial == null ? null : JavaCppLimit.explain(() -> new DoublePointer(initial));
        mg_np_options o = JavaCppLimit.explain(mg_np_options::new)) {
      o.form(options.form())
          .optimizer(options.optimizer())
          .granularity(options.granularity())
          .models(options.models())
          .dtype(options.dtype())
          .beta1(options.beta1())
          .beta2(options.beta2())
          .epsilon(options.epsilon())
          .momentum(options.momentum())
          .pull(options.pull())
          ._limit(options.limit());
      Status.check(
          merganser.mg_np_create(context, o, counts.length, sizes, heights, models, weights, out));
      return new NpState(context, new mg_np(new Address(out.get(0).address())), counts.length);
    }
  }

  /** Writes theta of every slot. */
  public void theta(long[] out) {
    thetas.put(out);
    Status.check(merganser.mg_np_theta(context, np, theta));
  }

  /**
   * One step of the optimiser, and the new theta of every slot.
   *
   * @throws BadGradient naming the first that is not finite or too large
   */
  public void step(double rate, long[] dTheta, long[] out) {
    gradients.put(dTheta);
    thetas.put(out);
    int status = merganser.mg_np_step(context, np, rate, gradient, theta, badSlot, badIndex);
    if (status == merganser.MG_NUMERICAL && badSlot.get() >= 0) {
      try {
        Status.check(status);
      } catch (NumericalException e) {
        throw new BadGradient(badSlot.get(), badIndex.get(), e);
      }
    }
    Status.check(status);
  }

  /** Number of logits of a slot: elements, rows or 1, times the models for softmax. */
  public long size(int slot) {
    return merganser.mg_np_state_size(np, slot);
  }

  /** Copies a part of the state of a slot to {@code count} floats, as many as it has. */
  public void read(int slot, int part, long count, long out) {
    Status.check(merganser.mg_np_state(context, np, slot, part, count, Address.floats(out)));
  }

  /** Copies a part of the state of a slot from {@code count} floats, as many as it has. */
  public void load(int slot, int part, long count, long in) {
    Status.check(merganser.mg_np_load(context, np, slot, part, count, Address.floats(in)));
  }

  /** Steps made so far. */
  public long steps() {
    return merganser.mg_np_steps(np);
  }

  /** Sets the number of steps that the moments come from. */
  public void resume(long steps) {
    Status.check(merganser.mg_np_resume(context, np, steps));
  }

  @Override
  public void close() {
    if (np != null) {
      merganser.mg_np_destroy(context, np);
      np = null;
      gradients.close();
      thetas.close();
      badSlot.close();
      badIndex.close();
    }
  }
}
