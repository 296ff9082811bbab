// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.plan.Catalogue;

/** Options that have no such value, or no effect, are refused before any work. */
class BadOptionsTest {
  @TempDir Path temp;

  private Fixture files;

  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("out");
    Files.copy(files.model("a"), out);
  }

  @AfterEach
  void nothingIsWritten() throws IOException {
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).doesNotContain("wrote");
  }

  private Cli.Run withActivations(Path folder, Object... more) {
    List<Object> args =
        new ArrayList<>(
            List.of(
                "merge",
                files.model("a"),
                files.model("c"),
                "--activations-a",
                files.activations("a"),
                "--activations-b",
                folder,
                "-o",
                out));
    args.addAll(List.of(more));
    return Cli.run(args.toArray());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--gamma|-0.1|cca: gamma must be finite and at least 0, not -0.1",
        "--gamma|NaN|cca: gamma must be finite and at least 0, not NaN",
        "--gamma|-1|cca: gamma must be finite and at least 0, not -1.0",
        "--gamma|Infinity|cca: gamma must be finite and at least 0, not Infinity",
        "--method|cca:gama=1|cca has no setting 'gama'; it has gamma, unit",
        "--method|permutation:gamma=1|permutation has no setting 'gamma'; it has kind",
        "--merger|linear:weights=1:x|linear: weights must be a number, not 'x'",
        "--merger|slerp:t=x|slerp: t must be a number, not 'x'",
        "--merger|ties|ties needs the base, the model that the others were trained from (--base,"
            + " MergeProblem.withBase)",
        "--merger|np-merge|np-merge needs an objective, data and a loss (--network and"
            + " --data, in Java MergeProblem.withObjective)",
        "--threads|0|threads must be 1 to 256, not 0",
        "--threads|-2|threads must be 1 to 256, not -2",
        "--threads|1000|threads must be 1 to 256, not 1000",
        "--merger|linear:weights=1:2:3|3 weights for 2 models",
        "--merger|linear:weights=1|1 weights for 2 models",
        "--merger|linear:weights=1:-1|linear: weights [1.0, -1.0] sum to 0.0, which cannot be"
            + " normalised",
        "--merger|linear:weights=:|linear: weights must be a number, not ''",
        "--merger|linear:weights=NaN:1|linear: weights must be finite, not NaN"
      })
  void valuesOutOfRange(String option, String value, String message) {
    assertRefused(withActivations(files.activations("c"), option, value), 2, message);
  }

  @Test
  void unknownMergersNameThoseThereAre() {
    assertRefused(
        withActivations(files.activations("c"), "--merger", "mean"),
        2,
        "no merger 'mean'; there are " + String.join(", ", Catalogue.mergers().ids()));
  }

  /** It would be told of results that it had no part in. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "permutation|--gamma 3|permutation has no setting 'gamma'; it has kind",
        "identity|--gamma 1|identity has no settings, so no 'gamma'; drop it",
        "cca:gamma=2|--gamma 3|cca: gamma is set twice",
        "identity||--activations-a: method identity does not use it; drop it",
        "cca|--activations x|--activations: there are --activations-a and --activations-b; drop it",
        "cca|--stats x|--activations-a: there is --stats; drop it",
        "cca|--layers a,b --architecture x|--layers: --architecture has the layers; drop it",
        "cca|--data blobs|--data: there is no --network; drop it",
        "cca|--statistics 9|--statistics: there is no --network; drop it"
      })
  void anOptionWithoutEffectIsRefused(String method, String options, String message) {
    List<Object> more = new ArrayList<>(List.of("--method", method));
    if (options != null) {
      more.addAll(List.of(options.split(" ")));
    }
    assertRefused(withActivations(files.activations("c"), more.toArray()), 2, message);
    for (String option : List.of("--skip-non-finite", "--precision=f64")) {
      String name = option.replace("=f64", "");
      assertRefused(
          Cli.run(
              "merge", files.model("a"), files.model("c"), "--stats", "none", option, "-o", out),
          2,
          name + ": the samples of --stats are taken already; drop it");
      assertRefused(
          Cli.run(
              "merge",
              files.model("a"),
              files.model("c"),
              "--method",
              "identity",
              option,
              "-o",
              out),
          2,
          name + ": method identity does not use it; drop it");
    }
  }
}
