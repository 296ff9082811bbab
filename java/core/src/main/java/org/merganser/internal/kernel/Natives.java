// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.io.IOException;
import java.io.InputStream;
import java.util.Properties;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.merganser.error.NativeLibraryException;
import org.merganser.natives.global.merganser;

/**
 * Loads the native library once, and says in one message why it could not. A failed static
 * initialiser turns into {@code NoClassDefFoundError} at the second use, so the first cause is kept
 * here and thrown every time.
 */
public final class Natives {
  private static NativeLibraryException failure;
  private static boolean loaded;

  private Natives() {}

  /**
   * Loads the library if it is not loaded yet.
   *
   * @throws NativeLibraryException with the platform, the artifact that is missing and the remedy
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

  private static NativeLibraryException tryLoad() {
    try {
      NativeLibraryException missing = SystemOpenBlas.refuse();
      if (missing != null) {
        return missing;
      }
      LibraryCache.refresh();
      int found = merganser.mg_abi_version();
      if (found != merganser.MG_ABI_VERSION) {
        return new NativeLibraryException(
            "merganser-native on the class path has ABI version "
                + found
                + ", merganser "
                + version()
                + " needs "
                + merganser.MG_ABI_VERSION
                + "; use the same version of both");
      }
      String nativeVersion = text(merganser.mg_version());
      if (!nativeVersion.equals(version())) {
        return new NativeLibraryException(
            "merganser-native on the class path is version "
                + nativeVersion
                + ", merganser is "
                + version()
                + "; use the same version of both");
      }
      SystemOpenBlas.report();
      CudaPlugin.prepare();
      return null;
    } catch (NativeLibraryException e) {
      return e;
    } catch (LinkageError e) {
      Throwable cause = e.getCause() instanceof LinkageError ? e.getCause() : e;
      return LoadFailure.explain("the native library of Merganser", LoadFailure.coreJars(), cause);
    }
  }

  /** Version of the Java part. */
  public static String version() {
    try (InputStream in = Natives.class.getResourceAsStream("/org/merganser/build.properties")) {
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new NativeLibraryException("cannot read build.properties of merganser", e);
    }
  }

  /** JavaCPP's name of this platform. */
  public static String platform() {
    return LoadFailure.platform();
  }

  /** Version of the native part. */
  public static String nativeVersion() {
    load();
    return text(merganser.mg_version());
  }

  /** Instruction set level in use: {@code portable}, {@code avx2} or {@code avx512}. */
  public static String isa() {
    load();
    int[] level = new int[1];
    Status.check(merganser.mg_isa(level));
    return text(merganser.mg_isa_name(level[0]));
  }

  /** Kernel family that OpenBLAS chose for this CPU. */
  public static String blasCore() {
    load();
    return text(merganser.mg_blas_core());
  }

  /** Build string of OpenBLAS. */
  public static String blasConfig() {
    load();
    return text(merganser.mg_blas_config());
  }

  /** Whether there is a CUDA plug-in to ask: in this build, or named by the user. */
  public static boolean hasCudaPlugin() {
    load();
    return CudaPlugin.exists();
  }

  /** Why CUDA is not used, or an empty string when it can be. */
  public static String cudaReason() {
    load();
    return text(merganser.mg_cuda_reason());
  }

  /** Facts about the GPU in use, one "name: value" a line; empty when CUDA cannot be used. */
  public static String cudaDevice() {
    load();
    return text(merganser.mg_cuda_device());
  }

  /** Where cuBLAS and cuSOLVER were found, or looked for. */
  public static String cudaLibraries() {
    load();
    CudaPlugin.loadPresets();
    return text(merganser.mg_cuda_libraries());
  }

  /** Why CUDA cannot run every routine, a device or a library, or an empty string when it can. */
  public static String cudaMissing() {
    String reason = cudaReason();
    return reason.isEmpty()
        ? cudaLibraries()
            .lines()
            .filter(line -> line.contains(": not found"))
            .collect(Collectors.joining("; "))
        : reason;
  }

  /** Bytes allocated through this library in this process and not yet freed. */
  public static long allocatedBytes() {
    load();
    return merganser.mg_allocated_bytes();
  }

  /** JavaCPP's limits on native memory: {@code maxBytes} and {@code maxPhysicalBytes}. */
  public static long[] memoryLimits() {
    load();
    return new long[] {Pointer.maxBytes(), Pointer.maxPhysicalBytes()};
  }

  /** Version of JavaCPP. */
  public static String javacppVersion() {
    load();
    try {
      return Loader.getVersion();
    } catch (IOException e) {
      return "unknown (" + e.getMessage() + ")";
    }
  }

  /** Sets an environment variable for other native libraries unless it is set already. */
  public static void environmentDefault(String name, String value) {
    load();
    Status.check(merganser.mg_environment_default(name, value));
  }

  /** Enters the process-wide BLAS gate with a thread count; {@link #leaveBlas} must follow. */
  public static void enterBlas(int threads) {
    load();
    Status.check(merganser.mg_blas_enter(threads));
  }

  /** Leaves the BLAS gate. */
  public static void leaveBlas() {
    merganser.mg_blas_leave();
  }

  static String text(BytePointer pointer) {
    return pointer == null || pointer.isNull() ? "" : pointer.getString();
  }
}
