// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Whether OpenBLAS runs the kernels that this processor allows. Its environment can hold it to
 * older ones or to other block sizes, at half of the speed, in every process that inherits it.
 */
public final class BlasCore {
  /** What changes OpenBLAS's choice when it is loaded. */
  public static final List<String> VARIABLES = List.of("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE");

  private static final List<String> AVX512 = List.of("skylakex", "cooperlake", "sapphirerapids");
  private static final List<String> AVX2 = List.of("haswell", "zen", "excavator");

  private BlasCore() {}

  /** Empty, or what holds OpenBLAS of this process back, and the remedy. */
  public static String heldBack() {
    return heldBack(Natives.blasCore(), Natives.isa(), System.getenv());
  }

  static String heldBack(String core, String isa, Map<String, String> environment) {
    boolean below = level(core) < level(isa);
    String set =
        VARIABLES.stream()
            .filter(environment::containsKey)
            .map(variable -> variable + "=" + environment.get(variable))
            .collect(Collectors.joining(", "));
    String kernels = "kernels of " + core + " on a processor with " + isa;
    if (set.isEmpty()) {
      return below ? "held back: " + kernels + "; OpenBLAS does not know it better" : "";
    }
    return (below ? "held back by " + set + ": " + kernels : "set by " + set)
        + "; unset for OpenBLAS's own choice";
  }

  /** Of a core of OpenBLAS or of an instruction set level of ours: 2 AVX-512, 1 AVX2, 0 older. */
  private static int level(String name) {
    String lower = name.toLowerCase(Locale.ROOT);
    if (lower.equals("avx512") || AVX512.contains(lower)) {
      return 2;
    }
    return lower.equals("avx2") || AVX2.contains(lower) ? 1 : 0;
  }
}
