// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.internal.kernel.BlasCore;

class CleanJvmTest {

  /** Says what it finds and how often it was started; status 7. */
  static final class Program {
    public static void main(String[] args) {
      CleanJvm.restart(Program.class, args).ifPresent(System::exit);
      boolean set = BlasCore.VARIABLES.stream().anyMatch(System.getenv()::containsKey);
      System.out.println((set ? "set" : "unset") + " " + String.join("|", args));
      System.exit(7);
    }
  }

  private static void runsUnset(String... variables) throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Program.class.getName(),
                "--short",
                "a b")
            .redirectErrorStream(true);
    builder.environment().keySet().removeAll(BlasCore.VARIABLES);
    List.of(variables).forEach(variable -> builder.environment().put(variable, "Haswell"));
    Process process = builder.start();
    String printed =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertThat(process.waitFor()).as(printed).isEqualTo(7);
    assertThat(printed).isEqualTo("unset --short|a b");
  }

  @Test
  void startsAgainWithoutTheVariables() throws Exception {
    runsUnset("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE");
    runsUnset("OPENBLAS_L2_SIZE");
  }

  @Test
  void runsHereWhereNothingIsSet() throws Exception {
    runsUnset();
  }

  @Test
  void noRatioToAPeerThatIsHeldBack() {
    assertThat(CleanJvm.cores("SkylakeX", "avx512", ""))
        .isEqualTo("OpenBLAS core SkylakeX; our kernels avx512");
    assertThatThrownBy(() -> CleanJvm.cores("Haswell", "avx512", "held back by X"))
        .isInstanceOf(BenchmarkFailure.class)
        .hasMessage("no ratios to OpenBLAS, which is held back by X");
  }
}
