// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.function.ToLongFunction;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.error.NumericalException;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_np;
import org.merganser.natives.mg_np_options;

/**
 * The state of NP Merge where a backend keeps it ({@code mg_np_*}): logits and the moments of the
 * optimiser. A step allocates next to nothing, and copies nothing when the blocks lie there too.
 */
public final class NpState implements AutoCloseable {
  /** The logits. */
  public static final int Z = merganser.MG_NP_Z;

  /** The first moment: of Adam, and of SGD with momentum. */
  public static final int M = merganser.MG_NP_M;

  /** The second moment: of Adam. */
  public static final int V = merganser.MG_NP_V;

  /**
   * Values of {@code mg_np_options}; form, optimizer, granularity and dtype (F32 or BF16) are
   * {@link Codes}.
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

  private final Context context;
  private final mg_np np;
  private final Handle handle;
  private final LongPointer gradients;
  private final LongPointer thetas;
  private final PointerPointer<Pointer> gradient;
  private final PointerPointer<Pointer> theta;
  private final IntPointer badSlot = JavaCppLimit.explain(() -> new IntPointer(1));
  private final LongPointer badIndex = JavaCppLimit.explain(() -> new LongPointer(1));

  private NpState(Context context, mg_np np, Block[] models, int slots) {
    this.context = context;
    this.np = np;
    this.gradients = JavaCppLimit.explain(() -> new LongPointer(slots));
    this.thetas = JavaCppLimit.explain(() -> new LongPointer(slots));
    // The same memory as arrays of pointers.
    this.gradient = new PointerPointer<>(gradients);
    this.theta = new PointerPointer<>(thetas);
    this.handle = new Handle("this state of NP Merge", () -> destroy(models));
  }

  private void destroy(Block[] models) {
    merganser.mg_np_destroy(null, np);
    for (Block model : models) {
      model.release();
    }
    gradients.close();
    thetas.close();
    badSlot.close();
    badIndex.close();
  }

  static NpState create(
      Context context, Options options, long[] counts, long[] rows, Block[] in, double[] initial) {
    try (Call call = context.enter();
        PointerPointer<mg_np> out = JavaCppLimit.explain(() -> new PointerPointer<>(1));
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
          merganser.mg_np_create(
              call.context(),
              o,
              counts.length,
              call.list(counts),
              call.list(rows),
              call.ins(in),
              initial == null ? null : call.list(initial),
              out));
      mg_np np = new mg_np(new Address(out.get(0).address()));
      return new NpState(context, np, call.detach(), counts.length);
    }
  }

  /** Writes theta of every slot. */
  public void theta(Block[] out) {
    try (Call call = context.enter(handle)) {
      call.outs(out, thetas);
      call.check(merganser.mg_np_theta(call.context(), np, theta));
    }
  }

  /**
   * One step of the optimiser, and the new theta of every slot.
   *
   * @throws BadGradient naming the first that is not finite or too large
   */
  public void step(double rate, Block[] dTheta, Block[] out) {
    try (Call call = context.enter(handle)) {
      call.ins(dTheta, gradients);
      call.outs(out, thetas);
      int status =
          merganser.mg_np_step(call.context(), np, rate, gradient, theta, badSlot, badIndex);
      if (status == merganser.MG_NUMERICAL && badSlot.get() >= 0) {
        try {
          Status.check(status);
        } catch (NumericalException e) {
          throw new BadGradient(badSlot.get(), badIndex.get(), e);
        }
      }
      call.check(status);
    }
  }

  /** Number of logits of a slot: elements, rows or 1, times the models for softmax. */
  public long size(int slot) {
    return counted(handle -> merganser.mg_np_state_size(handle, slot));
  }

  /** Copies a part of the state of a slot to a block of {@code count} floats, as many as it has. */
  public void read(int slot, int part, long count, Block out) {
    try (Call call = context.enter(handle)) {
      call.check(merganser.mg_np_state(call.context(), np, slot, part, count, call.outFloats(out)));
    }
  }

  /**
   * Copies a part of the state of a slot from a block of {@code count} floats, as many as it has.
   */
  public void load(int slot, int part, long count, Block in) {
    try (Call call = context.enter(handle)) {
      call.check(merganser.mg_np_load(call.context(), np, slot, part, count, call.inFloats(in)));
    }
  }

  /** Steps made so far. */
  public long steps() {
    return counted(merganser::mg_np_steps);
  }

  /** Sets the number of steps that the moments come from. */
  public void resume(long steps) {
    try (Call call = context.enter(handle)) {
      Status.check(merganser.mg_np_resume(call.context(), np, steps));
    }
  }

  private long counted(ToLongFunction<mg_np> number) {
    Call call = context.enter(handle);
    try {
      return number.applyAsLong(np);
    } finally {
      call.close();
    }
  }

  @Override
  public void close() {
    handle.close();
  }
}
