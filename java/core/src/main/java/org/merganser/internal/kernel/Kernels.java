// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.natives.global.merganser;

/**
 * The seam: one native context and every routine behind it, by area, over {@link Block}s. Arguments
 * are checked by the callers in {@code linalg}, {@code stats}, {@code align} and {@code merge},
 * which know the names to put into a message; the native side checks sizes once more.
 *
 * <p>A block may lie on any device. What lies elsewhere than the context computes is copied for the
 * one call, there and, when it is written, back; {@link #transfers} counts that. So results do not
 * depend on where data lie; only time does.
 *
 * <p>Threads that share this take turns, one native call at a time. What is closed while a call
 * runs, blocks or this, is refused to those who come later and freed when the call has ended.
 */
public final class Kernels implements AutoCloseable {
  private final Context context;
  private final LinAlgKernels linAlg;
  private final AssignmentKernels assignment;
  private final TensorKernels tensors;
  private final MergeKernels merge;
  private final GramKernels gram;
  private final TopologyKernels topology;
  private final ActivationKernels activation;

  /**
   * Those of a Workspace.
   *
   * @throws IllegalStateException when it is closed
   */
  public static Kernels of(KernelHolder workspace) {
    return workspace.kernels();
  }

  /**
   * @param backend code of {@link Codes}
   * @param threads at least 1
   * @param beforeFree runs once, before the context is freed, by the thread that does
   */
  public Kernels(int backend, int threads, Runnable beforeFree) {
    Natives.load();
    context = new Context(backend, threads, beforeFree);
    linAlg = new LinAlgKernels(context);
    assignment = new AssignmentKernels(context);
    tensors = new TensorKernels(context);
    merge = new MergeKernels(context);
    gram = new GramKernels(context);
    topology = new TopologyKernels(context);
    activation = new ActivationKernels(context);
    if (backend == merganser.MG_BACKEND_CUDA) {
      CudaPlugin.loadPresets();
    }
  }

  @Override
  public void close() {
    context.close();
  }

  public boolean isOpen() {
    return context.isOpen();
  }

  /** Does not wait for its turn. Must not be called when {@code beforeFree} has run. */
  public void cancel(boolean cancelled) {
    merganser.mg_context_cancel(context.pointer(), cancelled ? 1 : 0);
  }

  public LinAlgKernels linAlg() {
    return linAlg;
  }

  public AssignmentKernels assignment() {
    return assignment;
  }

  public TensorKernels tensors() {
    return tensors;
  }

  public MergeKernels merge() {
    return merge;
  }

  public GramKernels gram() {
    return gram;
  }

  public TopologyKernels topology() {
    return topology;
  }

  public ActivationKernels activation() {
    return activation;
  }

  /** Memory of the context's device, not initialised. */
  public Block allocate(long bytes) {
    try (Call call = context.enter()) {
      return call.allocate(bytes);
    }
  }

  /** An explicit copy of blocks of one size. */
  public void copy(Block to, Block from) {
    try (Call call = context.enter()) {
      call.copy(to, from);
    }
  }

  /** Bytes that were copied between devices so far: {host to device, device to host}. */
  public long[] transfers() {
    long[] up = new long[1];
    long[] down = new long[1];
    try (Call call = context.enter()) {
      Status.check(merganser.mg_transfer_counts(call.context(), up, down));
    }
    return new long[] {up[0], down[0]};
  }

  /**
   * The state of NP Merge.
   *
   * @param counts elements of each slot
   * @param rows of each slot
   * @param in the models, {@code in[slot * models + model]}, of which it is a user until it is
   *     closed; they must stay as they are
   * @param initial coefficients to begin with, or null for equal ones
   */
  public NpState np(
      NpState.Options options, long[] counts, long[] rows, Block[] in, double[] initial) {
    requireLength("rows", rows.length, counts.length);
    requireLength("models", in.length, (long) counts.length * options.models());
    requireLength("initial", initial == null ? options.models() : initial.length, options.models());
    return NpState.create(context, options, counts, rows, in, initial);
  }

  /**
   * The state of moments of paired series; for the arguments see {@code mg_moments_create}.
   *
   * @param name for messages
   */
  public MomentsState moments(
      String name, long[] widths, int[] pairI, int[] pairJ, int mode, int nonFinitePolicy) {
    requireLength("pair_j", pairJ.length, pairI.length);
    return new MomentsState(name, context, widths, pairI, pairJ, mode, nonFinitePolicy);
  }

  /** Native code reads as many elements as a routine needs, whatever the array has. */
  static void requireLength(String what, long length, long needed) {
    if (length != needed) {
      throw new IllegalArgumentException(
          what + " has " + length + " elements, needed are " + needed);
    }
  }
}
