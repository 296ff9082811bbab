// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import java.io.IOException;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.internal.kernel.JavaCppLimit;
import org.merganser.internal.kernel.LoadFailure;
import org.merganser.internal.kernel.Natives;

/**
 * The way to libtorch: every use of it goes through {@link #call}, which also holds the
 * process-wide BLAS gate at the thread count asked for.
 */
public final class Libtorch {
  /**
   * In the order in which they need each other; the build for the CPU has not all. Bytedeco's
   * loader tries {@code libtorch.so} before {@code libtorch_cpu.so} is extracted; with an empty
   * cache that kills the JVM, so all are extracted first.
   */
  private static final String[] LIBRARIES = {
    "libgomp.so.1",
    "libc10.so",
    "libc10_cuda.so",
    "libtorch_cpu.so",
    "libtorch_cuda.so",
    "libtorch_cuda_linalg.so",
    "libtorch.so",
    "libjnitorch.so"
  };

  /** Of the build that computes on a GPU as well; Bytedeco's loader prefers it. */
  static final String GPU_CLASSIFIER = "linux-x86_64-gpu";

  private static final List<LoadFailure.NativeJar> JARS =
      List.of(
          new LoadFailure.NativeJar(
              "org.bytedeco:pytorch", "/org/bytedeco/pytorch/%s/libtorch_cpu.so"));

  private static final ThreadLocal<Integer> THREADS = ThreadLocal.withInitial(() -> 0);

  private static NativeLibraryException failure;
  private static boolean loaded;

  private Libtorch() {}

  /** Work that calls libtorch. */
  @FunctionalInterface
  public interface Work<T> {
    T run() throws IOException;
  }

  /**
   * Loads libtorch if it is not loaded yet.
   *
   * @throws NativeLibraryException with the artifact that is missing
   */
  public static synchronized void load() {
    if (loaded) {
      return;
    }
    if (failure == null) {
      failure = tryLoad();
    }
    if (failure != null) {
      throw new NativeLibraryException(failure.getMessage(), failure);
    }
    loaded = true;
  }

  /** Version of libtorch and of its bindings. */
  public static String version() {
    load();
    try {
      return Loader.getVersion("org.bytedeco", "pytorch");
    } catch (IOException e) {
      return "unknown (" + e.getMessage() + ")";
    }
  }

  /** Runs work with libtorch and BLAS at the given number of threads; not re-entrant. */
  public static <T> T call(int threads, Work<T> work) throws IOException {
    load();
    Natives.enterBlas(threads);
    try {
      // The count of OpenMP belongs to the calling thread, so it is set once in each.
      if (THREADS.get() != threads) {
        torch.set_num_threads(threads);
        THREADS.set(threads);
      }
      return work.run();
    } catch (MerganserException | IllegalArgumentException | IllegalStateException e) {
      throw e;
    } catch (OutOfMemoryError e) {
      throw JavaCppLimit.explained(e);
    } catch (RuntimeException e) {
      // C++ errors arrive as bare RuntimeExceptions with torch's text.
      throw new MerganserException("libtorch: " + firstLine(e.getMessage()), e);
    } finally {
      Natives.leaveBlas();
    }
  }

  private static NativeLibraryException tryLoad() {
    try {
      Natives.load();
      // libgomp reads it when it is loaded: its threads spin otherwise, and starve those of
      // OpenBLAS.
      Natives.environmentDefault("OMP_WAIT_POLICY", "PASSIVE");
      String folder = folder(isGpuBuild() ? GPU_CLASSIFIER : Natives.platform());
      for (String library : LIBRARIES) {
        if (Libtorch.class.getResource(folder + library) != null) {
          Loader.cacheResource(Libtorch.class, folder + library);
        }
      }
      Loader.load(torch.class);
      // It would take some convolutions of a single sample where the processor suits it, and prints
      // a line for each where it does not.
      torch.globalContext().setUserEnabledNNPACK(false);
      // On a GPU: the same bytes each time, and products of F32 in F32.
      torch.globalContext().setDeterministicCuDNN(true);
      torch.globalContext().setAllowTF32CuDNN(false);
      torch.globalContext().setAllowTF32CuBLAS(false);
      return null;
    } catch (NativeLibraryException e) {
      return e;
    } catch (IOException | LinkageError e) {
      Throwable cause = e.getCause() instanceof LinkageError ? e.getCause() : e;
      return LoadFailure.explain("libtorch", isGpuBuild() ? List.of() : JARS, cause);
    }
  }

  /** Whether the class path has the build that computes on a GPU as well. */
  static boolean isGpuBuild() {
    return Libtorch.class.getResource(folder(GPU_CLASSIFIER) + "libtorch_cpu.so") != null;
  }

  private static String folder(String classifier) {
    return "/org/bytedeco/pytorch/" + classifier + "/";
  }

  private static String firstLine(String message) {
    return message == null ? "unknown error" : message.lines().findFirst().orElse("");
  }
}
