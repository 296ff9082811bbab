// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.merganser.internal.kernel.BlasCore;
import org.merganser.internal.kernel.Natives;

/**
 * Peers at their best: without the variables that hold OpenBLAS to older kernels or other block
 * sizes. OpenBLAS reads them when it is loaded and a JVM cannot unset them, so it starts another.
 */
final class CleanJvm {
  private CleanJvm() {}

  /** The exit status of this program in a JVM without the variables; empty where none is set. */
  static OptionalInt restart(Class<?> program, String... arguments) {
    return BlasCore.VARIABLES.stream().noneMatch(System.getenv()::containsKey)
        ? OptionalInt.empty()
        : OptionalInt.of(start(program, arguments));
  }

  /** The exit status of a program in another JVM like this one, without the variables. */
  static int start(Class<?> program, String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
    builder.environment().keySet().removeAll(BlasCore.VARIABLES);
    try {
      return builder.start().waitFor();
    } catch (IOException e) {
      throw new BenchmarkFailure("no JVM without " + BlasCore.VARIABLES + ": " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchmarkFailure("interrupted", e);
    }
  }

  /**
   * What both sides run on.
   *
   * @throws BenchmarkFailure when OpenBLAS is held back: a ratio to it would flatter
   */
  static String cores() {
    return cores(Natives.blasCore(), Natives.isa(), BlasCore.heldBack());
  }

  static String cores(String core, String isa, String heldBack) {
    if (!heldBack.isEmpty()) {
      throw new BenchmarkFailure("no ratios to OpenBLAS, which is " + heldBack, null);
    }
    return "OpenBLAS core " + core + "; our kernels " + isa;
  }
}
