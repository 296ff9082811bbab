// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.plan.Catalogue;

/** Commands that tell of the program itself. */
class HelpTest {
  @TempDir Path temp;

  private static final List<List<String>> COMMANDS =
      List.of(
          List.of("quickstart"),
          List.of("experiment"),
          List.of("experiment", "cca-merge"),
          List.of("experiment", "np-merge"),
          List.of("merge"),
          List.of("align"),
          List.of("apply"),
          List.of("plan"),
          List.of("lora"),
          List.of("lora", "fold"),
          List.of("lora", "combine"),
          List.of("moe"),
          List.of("transfer"),
          List.of("verify"),
          List.of("inspect"),
          List.of("interference"),
          List.of("doctor"),
          List.of("methods"),
          List.of("completion"));

  private static Cli.Run run(List<String> command, String... more) {
    return Cli.run(Stream.concat(command.stream(), Stream.of(more)).toArray());
  }

  @Test
  void helpAndVersion() {
    Cli.Run help = Cli.run("--help");
    assertThat(help.code()).isZero();
    assertThat(help.out())
        .contains("quickstart", "experiment", "merge", "align", "inspect", "doctor")
        .contains("Exit codes: 0 ok, 2 usage, 3 incompatible models, 4 numerical");
    for (String command :
        List.of("quickstart", "experiment", "merge", "align", "inspect", "doctor")) {
      Cli.Run run = Cli.run(command, "--help");
      assertThat(run.code()).isZero();
      assertThat(run.out()).startsWith("Usage: merganser " + command);
    }
  }

  @Test
  void everyCommandTellsTheVersion() {
    Cli.Run version = Cli.run("--version");
    assertThat(version.out()).matches("merganser \\d+\\.\\d+\\.\\d+\\S*\n");
    for (List<String> command : COMMANDS) {
      assertThat(run(command, "-V")).isEqualTo(version);
      assertThat(run(command, "--version")).isEqualTo(version);
    }
  }

  @Test
  void helpOfACommandIsItsHelpOption() {
    assertThat(Cli.run("help")).isEqualTo(Cli.run("--help"));
    for (List<String> command : COMMANDS) {
      Cli.Run help = run(command, "--help");
      assertThat(help.out()).startsWith("Usage: merganser " + String.join(" ", command));
      if (command.size() == 1) {
        assertThat(Cli.run("help", command.get(0))).isEqualTo(help);
      }
    }
    Cli.Run unknown = Cli.run("help", "merg");
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.err()).startsWith("merganser: Unknown subcommand 'merg'.\n");
  }

  @Test
  void completionKnowsCommandsOptionsAndMethods() throws Exception {
    Cli.Run run = Cli.run("completion");
    assertThat(run.code()).isZero();
    assumeTrue(Files.exists(Path.of("/bin/bash")), "no /bin/bash");
    Path script = Files.writeString(temp.resolve("completion.sh"), run.out());
    String complete =
        "source "
            + script
            + "; complete() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _complete_merganser;"
            + " echo \"${COMPREPLY[@]}\"; };";
    complete +=
        "complete merganser insp; complete merganser merge --meth;"
            + " complete merganser merge --method iden; complete merganser experiment np-";
    Path out = temp.resolve("completed");
    Process bash =
        new ProcessBuilder("/bin/bash", "-c", complete)
            .redirectOutput(out.toFile())
            .redirectErrorStream(false)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertThat(bash.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(Files.readString(out)).isEqualTo("inspect\n--method\nidentity\nnp-merge\n");
  }

  @Test
  void doctorDescribesTheInstallation() {
    Cli.Run run = Cli.run("doctor");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("(?m)^merganser +\\d+\\.\\d+\\.\\d+")
        .containsPattern("(?m)^java +.+" + System.getProperty("java.version").replace("+", "\\+"))
        .containsPattern("(?m)^backend +(CPU|CUDA), \\d+ threads$")
        .containsPattern("(?m)^native +\\d.*JavaCPP 1\\.5")
        .containsPattern("(?m)^isa +(portable|avx2|avx512)")
        .containsPattern("(?m)^blas +OpenBLAS core \\w+ ")
        .containsPattern("(?m)^cuda +(available$|not used: \\S.+)")
        .containsPattern("(?m)^libtorch +\\d+\\.\\d+");
  }

  @Test
  void methodsAreListedWithTheirSettings() {
    Cli.Run all = Cli.run("methods");
    assertThat(all.code()).isZero();
    assertThat(all.out()).contains("aligners", "mergers", "repairs", "measures");
    Catalogue.kinds()
        .values()
        .forEach(
            kind ->
                kind.entries()
                    .forEach(entry -> assertThat(all.out()).contains("  " + entry.id() + " ")));
    assertThat(Cli.run("methods", "cca").out())
        .isEqualTo(
            """
            cca: features mapped through canonical correlations (CCA Merge)
            needs activations

              gamma=1
                  regulariser of both covariances
                  number at least 0

              unit=relative
                  gamma in mean variances of each side, or in units of variance as published
                  relative, absolute
            """);
    assertThat(Cli.run("methods", "cca-mean").out())
        .isEqualTo(
            """
            cca-mean: mean canonical correlation
            needs activations
            A similarity from 0 to 1, 1 of a representation with itself; symmetric.
            Either side: not changed by one number added to all features, a vector added to every\
             sample, the order of features, rotation, one factor of everything, a factor of each\
             feature, any invertible map; changed by nothing.
            At least 2 samples.
            no settings
            """);
    Cli.Run unknown = Cli.run("methods", "ccca");
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.err()).contains("no method 'ccca'; there are identity, ");
  }
}
