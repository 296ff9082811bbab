// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import org.merganser.error.NativeLibraryException;
import org.merganser.internal.kernel.KernelHolder;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.Natives;

/**
 * Everything an operation needs besides its data: backend, threads, seed, progress, cancellation.
 * Passed last to every method that computes. There is no other global mutable state.
 *
 * <p>A Workspace serves one calling thread at a time and fans out inside; the result of an
 * operation does not depend on the number of threads. Threads that share one take turns, native
 * routine by native routine: their results are right, but they do not run at the same time. Open
 * one for each thread instead.
 */
public final class Workspace extends KernelHolder implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Workspace.class.getName());

  /** Whether this process has said why {@code auto} is the CPU. */
  private static final AtomicBoolean EXPLAINED = new AtomicBoolean();

  private final Backend backend;
  private final int threads;
  private final long seed;
  private final Progress progress;
  private final Cancellation cancellation;
  private final Kernels kernels;
  private final Runnable cancel;

  private Workspace(Builder builder) {
    this.threads = builder.threads;
    this.seed = builder.seed;
    this.progress = builder.progress;
    this.cancellation = builder.cancellation;
    // Explains what is missing before a class is touched that cannot be linked without it.
    Natives.load();
    this.backend = choose(builder.backend);
    this.kernels = new Kernels(backend.code(), threads, this::forget);
    this.cancel = () -> kernels.cancel(true);
    cancellation.onCancel(cancel);
  }

  /** A Workspace with the defaults of {@link #builder}. */
  public static Workspace open() {
    return builder().open();
  }

  /**
   * Defaults: backend from the system property {@code merganser.backend} ({@code auto}, {@code cpu}
   * or {@code cuda}; {@code auto} when unset, which is CUDA where it can run everything, with a
   * device, cuBLAS and cuSOLVER, else the CPU, and says once a process why), one thread per
   * processor, seed 0.
   */
  public static Builder builder() {
    return new Builder();
  }

  public Backend backend() {
    return backend;
  }

  /** Where results lie; data that lie elsewhere are copied for the operation. */
  public Device device() {
    return backend == Backend.CUDA ? Device.CUDA : Device.HOST;
  }

  public int threads() {
    return threads;
  }

  public long seed() {
    return seed;
  }

  public Progress progress() {
    return progress;
  }

  public Cancellation cancellation() {
    return cancellation;
  }

  @Override
  protected Kernels kernels() {
    if (!kernels.isOpen()) {
      throw new IllegalStateException("this Workspace is already closed");
    }
    return kernels;
  }

  /**
   * Refuses further work from now on. A native routine that runs at this moment, for another
   * thread, ends with its result unless it is cancelled; what belongs to it is freed then. Further
   * calls do nothing.
   */
  @Override
  public void close() {
    kernels.close();
  }

  /** Before the native context is freed: nobody may cancel it any more. */
  private void forget() {
    cancellation.forget(cancel);
  }

  private static Backend choose(String wanted) {
    return switch (wanted) {
      case "cpu" -> Backend.CPU;
      case "cuda" -> {
        String reason = Natives.cudaReason();
        if (!reason.isEmpty()) {
          throw new NativeLibraryException("backend cuda was asked for but " + reason);
        }
        yield Backend.CUDA;
      }
      // Only what runs every routine: nobody who did not ask for CUDA is to fail for its sake.
      case "auto" -> {
        if (!Natives.hasCudaPlugin()) {
          yield Backend.CPU;
        }
        String missing = Natives.cudaMissing();
        if (missing.isEmpty()) {
          yield Backend.CUDA;
        }
        if (EXPLAINED.compareAndSet(false, true)) {
          LOG.log(
              System.Logger.Level.INFO, "backend auto is the CPU; CUDA is not used: " + missing);
        }
        yield Backend.CPU;
      }
      default ->
          throw new IllegalArgumentException(
              "backend '" + wanted + "' is unknown; use auto, cpu or cuda");
    };
  }

  /** Collects the settings of a Workspace. */
  public static final class Builder {
    private String backend = System.getProperty("merganser.backend", "auto");
    private int threads = Math.min(Runtime.getRuntime().availableProcessors(), MAX_THREADS);
    private long seed;
    private Progress progress = Progress.NONE;
    private Cancellation cancellation = new Cancellation();

    private static final int MAX_THREADS = 256;

    private Builder() {}

    /** Forces a backend: opening fails with the reason when it cannot be used. */
    public Builder backend(Backend value) {
      backend = value.name().toLowerCase(Locale.ROOT);
      return this;
    }

    /** Threads of our own kernels, 1 to 256. */
    public Builder threads(int value) {
      if (value < 1 || value > MAX_THREADS) {
        throw new IllegalArgumentException(
            "threads must be 1 to " + MAX_THREADS + ", not " + value);
      }
      threads = value;
      return this;
    }

    public Builder seed(long value) {
      seed = value;
      return this;
    }

    public Builder progress(Progress value) {
      progress = value;
      return this;
    }

    public Builder cancellation(Cancellation value) {
      cancellation = value;
      return this;
    }

    public Workspace open() {
      return new Workspace(this);
    }
  }
}
