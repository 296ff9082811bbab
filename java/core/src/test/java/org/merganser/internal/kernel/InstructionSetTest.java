// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.io.Npy;
import org.merganser.testing.Close;
import org.merganser.testing.InstructionSetProgram;
import org.merganser.testing.RunsOnce;

/** The level is chosen once a process, so each level runs in a JVM of its own. */
@RunsOnce("in a JVM of its own, which is told its backend")
class InstructionSetTest {
  private static final List<String> LEVELS = List.of("portable", "avx2", "avx512");

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"portable", "avx2"})
  void lowerLevelsGiveTheSameBytesAndNearlyTheSameMaps(String level) throws Exception {
    String best = Natives.isa();
    assumeTrue(
        LEVELS.indexOf(level) <= LEVELS.indexOf(best),
        "this CPU, or MERGANSER_ISA, allows " + best + " at most, so " + level + " cannot run");
    // The best level runs in a child as well, so that all settings but one are the same.
    Path expected = run(best);
    Path found = run(level);
    assertThat(found.resolve("isa")).hasContent(level);
    for (String exact : new String[] {"sum", "convert", "assignment"}) {
      assertThat(found.resolve(exact)).hasSameBinaryContentAs(expected.resolve(exact));
    }
    for (String close : new String[] {"cca.npy", "polar.npy", "moments.npy"}) {
      Close.relative(
          level + " " + close,
          Npy.read(found.resolve(close)).toDoubleArray(),
          Npy.read(expected.resolve(close)).toDoubleArray(),
          1e-9);
    }
  }

  @Test
  void anUnknownLevelIsAnError() throws Exception {
    Path out = Files.createDirectory(folder.resolve("bogus"));
    Result result = start("bogus", out);
    assertThat(result.exit).isNotZero();
    assertThat(result.output)
        .contains("MERGANSER_ISA=bogus is not one of portable, avx2, avx512")
        .doesNotContain("SIGSEGV");
    assertThat(out.resolve("isa")).doesNotExist();
  }

  private Path run(String level) throws IOException, InterruptedException {
    // The best level may be the one that is compared with it.
    Path out = Files.createTempDirectory(folder, level);
    Result result = start(level, out);
    assertThat(result.exit).as(result.output).isZero();
    return out;
  }

  private record Result(int exit, String output) {}

  private Result start(String level, Path out) throws IOException, InterruptedException {
    Path log = folder.resolve(out.getFileName() + ".log");
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                InstructionSetProgram.class.getName(),
                out.toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    Map<String, String> environment = new HashMap<>(builder.environment());
    environment.put("MERGANSER_ISA", level);
    builder.environment().putAll(environment);
    Process process = builder.start();
    if (!process.waitFor(60, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new AssertionError("the child with MERGANSER_ISA=" + level + " did not end in 60 s");
    }
    return new Result(process.exitValue(), Files.readString(log, StandardCharsets.UTF_8));
  }
}
