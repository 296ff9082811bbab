// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.NativeLibraryException;
import org.merganser.internal.kernel.BlasCore;
import org.merganser.internal.kernel.Natives;

/** Describes this installation: what a bug report needs. */
public final class Doctor {
  private Doctor() {}

  /**
   * Facts in order, each a name and a value. Never throws for a missing native library: the reason
   * is one of the facts.
   */
  public static Map<String, String> examine() {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("merganser", Natives.version());
    facts.put(
        "java",
        System.getProperty("java.vm.name")
            + " "
            + System.getProperty("java.version")
            + ", max heap "
            + mebibytes(Runtime.getRuntime().maxMemory()));
    facts.put(
        "os",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch")
            + ", "
            + Runtime.getRuntime().availableProcessors()
            + " processors");
    try (Workspace ws = Workspace.open()) {
      facts.put("backend", ws.backend() + ", " + ws.threads() + " threads");
      facts.put("native", Natives.nativeVersion() + ", JavaCPP " + Natives.javacppVersion());
      facts.put("isa", Natives.isa() + setting("MERGANSER_ISA"));
      String held = BlasCore.heldBack();
      facts.put(
          "blas",
          "OpenBLAS core "
              + Natives.blasCore()
              + " ("
              + Natives.blasConfig()
              + "), 1 thread inside kernels"
              + (held.isEmpty() ? "" : "; " + held));
      String cuda = Natives.cudaReason();
      facts.put(
          "cuda",
          cuda.isEmpty()
              ? (Natives.cudaMissing().isEmpty()
                      ? "available; "
                      : "available in part with -Dmerganser.backend=cuda; ")
                  + Natives.cudaDevice().replace("\n", ", ")
                  + "; "
                  + Natives.cudaLibraries().replace("\n", ", ")
              : "not used: " + cuda);
      long[] limits = Natives.memoryLimits();
      facts.put(
          "javacpp limits",
          "maxBytes " + mebibytes(limits[0]) + ", maxPhysicalBytes " + mebibytes(limits[1]));
    } catch (NativeLibraryException | IllegalArgumentException e) {
      facts.put("native", "not usable: " + e.getMessage());
    }
    return Collections.unmodifiableMap(facts);
  }

  /** Version of Merganser; loads nothing. */
  public static String version() {
    return Natives.version();
  }

  /** Versions and settings that a result depends on, for files that experiments write. */
  public static Map<String, String> versions() {
    Map<String, String> versions = new LinkedHashMap<>();
    versions.put("merganser", Natives.version());
    versions.put("native", Natives.nativeVersion());
    versions.put("java", System.getProperty("java.version"));
    versions.put("blas", Natives.blasConfig());
    return Collections.unmodifiableMap(versions);
  }

  /** Instruction set level in use. */
  public static String isa() {
    return Natives.isa();
  }

  private static String setting(String variable) {
    String value = System.getenv(variable);
    return value == null ? "" : " (" + variable + "=" + value + ")";
  }

  private static String mebibytes(long bytes) {
    return bytes == 0 ? "unlimited" : (bytes >> 20) + " MiB";
  }
}
