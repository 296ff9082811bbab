// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.lang.ref.Cleaner;
import java.util.function.ToLongFunction;
import org.bytedeco.javacpp.PointerPointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_moments;

/**
 * Moments where a backend accumulates them ({@code mg_moments_*}). Freed by {@link #close} once no
 * call uses them, or after the last reference is gone.
 */
public final class MomentsState implements AutoCloseable {
  private static final boolean TRACKED = Boolean.getBoolean("merganser.trackAllocations");
  private static final System.Logger LOG = System.getLogger(MomentsState.class.getName());
  private static final Cleaner CLEANER = Cleaner.create();

  private final Context context;
  private final mg_moments moments;
  private final Handle handle;
  private final Free free;
  private final Cleaner.Cleanable cleanable;

  /** Frees the state; says so when the owner forgot to and allocations are tracked. */
  private static final class Free implements Runnable {
    private final Handle handle;
    private final String name;
    private final Throwable site = TRACKED ? new Throwable("allocated here") : null;
    private volatile boolean closed;

    Free(Handle handle, String name) {
      this.handle = handle;
      this.name = name;
    }

    @Override
    public void run() {
      handle.close();
      if (site != null && !closed) {
        LOG.log(
            System.Logger.Level.WARNING,
            name + " was freed by the garbage collector, not by close()",
            site);
      }
    }
  }

  MomentsState(
      String name,
      Context context,
      long[] widths,
      int[] pairI,
      int[] pairJ,
      int mode,
      int nonFinitePolicy) {
    this.context = context;
    try (Call call = context.enter();
        PointerPointer<mg_moments> out = JavaCppLimit.explain(() -> new PointerPointer<>(1))) {
      call.check(
          merganser.mg_moments_create(
              call.context(),
              widths.length,
              call.list(widths),
              pairI.length,
              call.list(pairI),
              call.list(pairJ),
              mode,
              nonFinitePolicy,
              out));
      moments = new mg_moments(new Address(out.get(0).address()));
    }
    mg_moments freed = moments;
    handle = new Handle(name, () -> merganser.mg_moments_destroy(null, freed));
    free = new Free(handle, name);
    cleanable = CLEANER.register(this, free);
  }

  /** Adds one batch; see {@code mg_moments_update} for the strides. */
  public void update(Block[] data, int dtype, long outer, long inner, long[] strides) {
    try (Call call = context.enter(handle)) {
      call.check(
          merganser.mg_moments_update(
              call.context(), moments, call.ins(data), dtype, outer, inner, call.list(strides)));
    }
  }

  public long count() {
    return counted(merganser::mg_moments_count);
  }

  public long skipped() {
    return counted(merganser::mg_moments_skipped);
  }

  public void series(int series, double[] mean, double[] m2) {
    try (Call call = context.enter(handle)) {
      call.check(merganser.mg_moments_series(call.context(), moments, series, mean, m2));
    }
  }

  public void block(int pair, Block out) {
    try (Call call = context.enter(handle)) {
      call.check(merganser.mg_moments_block(call.context(), moments, pair, call.outDoubles(out)));
    }
  }

  private long counted(ToLongFunction<mg_moments> number) {
    Call call = context.enter(handle);
    try {
      return number.applyAsLong(moments);
    } finally {
      call.close();
    }
  }

  @Override
  public void close() {
    free.closed = true;
    cleanable.clean();
  }
}
