// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UsageErrorsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "merge|Missing required options and parameters: '--out=FILE', 'MODEL'",
        "merge a.safetensors -o x|give at least two models, not 1",
        "merge a b|Missing required option: '--out=FILE'",
        "merge a b -o x --gamma much|cca: gamma must be a number, not 'much'",
        "merge a b -o x --threads two|'two' is not an int",
        "merge a b -o x --merger linear:weights=1:y|linear: weights must be a number, not 'y'",
        "merge a b -o x --nonsense|unknown option '--nonsense'",
        "align a -o x|Missing required parameter: 'B'",
        "align a b c -o x|'c' is one argument too many",
        "inspect|Missing required parameter: 'FILE'",
        "inspect ''|the name is empty; a variable may not be set",
        "merge a b -o ''|the name is empty; a variable may not be set",
        "inspect a b c|'c' is one argument too many",
        "experiment nonsense|unknown command 'nonsense'",
        "experiment cca-merge --seed x|seed must be an integer, not 'x'",
        "experiment cca-merge --hidden 1.5|hidden must be an integer, not '1.5'",
        "experiment cca-merge --norm batch|--norm: network mlp does not use it; drop it",
        "experiment cca-merge --width-multiplier 2|--width-multiplier: network mlp does not use it",
        "quickstart --hidden many|hidden must be an integer, not 'many'",
        "quickstart --seeds 2|unknown option '--seeds'",
        "merge a b -o --verbos|Unknown option: '--verbos'",
        "doctor now|'now' is one argument too many",
      })
  void usageErrorsAreOneLineAndWhereHelpIs(String line, String message) {
    Cli.Run run =
        Cli.run(Arrays.stream(line.split(" ")).map(arg -> arg.replace("''", "")).toArray());
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).startsWith("merganser: ").contains(message);
    assertThat(run.err().lines().count()).isLessThanOrEqualTo(2);
    assertThat(run.err()).doesNotContain("\tat ", "Exception");
    assertThat(run.out()).isEmpty();
  }

  /** What is mistyped is often the reason of what seems to be missing or too much. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "merge a b --metod cca -o x|option '--metod'; did you mean --method?|merge",
        "merge a b --outt x|option '--outt'; did you mean --out?|merge",
        "merge a b -o x --gamma 1 -x|option '-x'|merge",
        "merge a --metod=cca|option '--metod'; did you mean --method?|merge",
        "merge a b -o x --activations-A d|option '--activations-A'; did you mean"
            + " --activations-a?|merge",
        "align a b --metod cca -o x|option '--metod'; did you mean --method?|align",
        "align --metod cca a b c|option '--metod'; did you mean --method?|align",
        "--threads 2 merge a b -o x|option '--threads'|",
        "experiment cca-merge --gama 3|option '--gama'; did you mean --gamma?|experiment cca-merge",
        "merg a b --method cca|command 'merg'; did you mean merge?|",
        "experiment ca-merge --hidden 3|command 'ca-merge'; did you mean cca-merge?|experiment",
      })
  void aMistypedNameIsToldFirst(String line, String message, String command) {
    String help = command == null ? "merganser" : "merganser " + command;
    assertThat(Cli.run((Object[]) line.split(" ")))
        .isEqualTo(
            new Cli.Run(2, "", "merganser: unknown " + message + "\nsee '" + help + " --help'\n"));
  }

  @Test
  void noCommandShowsTheUsage() {
    Cli.Run run = Cli.run();
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("Missing required subcommand", "Usage: merganser", "quickstart");
  }
}
