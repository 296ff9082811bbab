// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.plan.Catalogue;
import picocli.CommandLine;

class NpMergeCommandTest {
  @TempDir Path temp;

  private Cli.Run experiment(Object... options) {
    List<Object> args = new ArrayList<>(List.of("experiment", "np-merge", "--data", "blobs"));
    args.addAll(List.of(options));
    args.addAll(List.of("--out", temp.resolve("out")));
    return Cli.run(args.toArray());
  }

  @Test
  void printsItsTablesAndWritesItsReports() throws IOException {
    Path keep = temp.resolve("kept");
    String small =
        "--hidden 8 --layers 1 --seeds 2 --epochs 2 --train 200 --aligners identity,permutation"
            + " --steps 20 --batch 50 --learning-rate 0.1 --form clamp --granularity tensor"
            + " --held-out 0.2 --eval-every 5 --patience 3 --np-train 150 --samples 40,80 --keep";
    List<Object> options = new ArrayList<>(List.of(small.split(" ")));
    options.add(keep);
    Cli.Run run = experiment(options.toArray());

    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).containsPattern("method +accuracy +sd +loss\n");
    for (String row :
        List.of(
            "base",
            "ensemble",
            "average+identity",
            "np-merge+permutation",
            "finetuned-average",
            "finetuned-average+identity")) {
      assertThat(run.out()).containsPattern("(?m)^" + row.replace("+", "\\+") + " +\\d+\\.\\d\\d%");
    }
    assertThat(run.out())
        .containsPattern("difference +points +95 % interval\n")
        .containsPattern(
            "np-merge\\+identity - average\\+identity +[+-]\\d+\\.\\d\\d  \\[[+-]\\d+\\.\\d\\d,"
                + " [+-]\\d+\\.\\d\\d\\]\n")
        .containsPattern("samples, loss +40 +80\n")
        .containsPattern("np-merge, all steps( +\\d+\\.\\d\\d% +\\d+\\.\\d{3}){2}\n");
    assertReports(temp.resolve("out"));
    assertThat(keep.resolve("pair-1").resolve("coefficients-np-merge+identity.safetensors"))
        .exists();
    assertThat(keep.resolve("pair-1").resolve("merged-finetuned-average.safetensors")).exists();
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  private static void assertReports(Path out) throws IOException {
    assertThat(Files.readString(out.resolve("results.json")))
        .contains(
            "\"experiment\" : \"np-merge\"",
            "\"form\" : \"clamp\"",
            "\"granularity\" : \"tensor\"",
            "\"steps\" : 20",
            "\"batch\" : 50",
            "\"held-out\" : 0.2",
            "\"eval-every\" : 5",
            "\"patience\" : 3",
            "\"learning-rate\" : 0.1");
    for (String picture :
        List.of(
            "accuracy.png",
            "curve-identity.png",
            "curve-permutation.png",
            "coefficients-fc1.weight.png",
            "samples-accuracy.png")) {
      assertThat(out.resolve(picture)).exists();
    }
    assertThat(Files.readString(out.resolve("report.html")))
        .contains("parameter by parameter", "data:image/png;base64,");
  }

  @Test
  void onePairHasNoInterval() throws IOException {
    Cli.Run run =
        experiment("--hidden", 4, "--epochs", 1, "--train", 60, "--steps", 5, "--samples", 0);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("95 % interval (none: one pair)")
        .doesNotContain("[+", "[-", "samples, ");
    assertThat(temp.resolve("out").resolve("samples-accuracy.png")).doesNotExist();
    assertThat(Files.readString(temp.resolve("out").resolve("results.json")))
        .doesNotContain("\"low\"", "\"accuracy\" : [");
    assertThat(Files.readString(temp.resolve("out").resolve("report.html")))
        .contains("One pair: there is no interval.");
  }

  @Test
  void offersTheOptionsOfTheManual() {
    CommandLine command =
        Main.commandLine().getSubcommands().get("experiment").getSubcommands().get("np-merge");
    for (String option :
        List.of(
            "--data",
            "--network",
            "--seeds",
            "--split",
            "--cache",
            "--keep",
            "--out",
            "--threads",
            "--steps",
            "--batch",
            "--learning-rate",
            "--form",
            "--granularity",
            "--held-out",
            "--eval-every",
            "--patience",
            "--np-train",
            "--samples")) {
      assertThat(command.getCommandSpec().findOption(option)).as(option).isNotNull();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--steps|0|steps must be at least 1, not 0",
        "--batch|0|batch must be at least 1, not 0",
        "--learning-rate|0|learning-rate must be finite and greater than 0, not 0.0",
        "--learning-rate|NaN|learning-rate must be finite and greater than 0, not NaN",
        "--form|tanh|form must be one of sigmoid, clamp, softmax, not 'tanh'",
        "--granularity|layer|granularity must be one of parameter, row, tensor, not 'layer'",
        "--held-out|1|held-out must be in [0, 1), not 1.0",
        "--eval-every|0|eval-every must be at least 1, not 0",
        "--patience|0|patience must be at least 1, not 0",
        "--np-train|101|np-train must be at most 100, the number of training samples used, not"
            + " 101; train says how many are used",
        "--np-train|1|np-train must be at least 2, not 1",
        "--samples|50,101|samples must be at most 100, the number of training samples used, not"
            + " 101; train says how many are used",
        "--samples|1|samples must be at least 2, not 1",
        "--aligners|magic|no aligner 'magic'; there are ALIGNERS",
        "--models|9|models must be at most 8 to be merged jointly, not 9",
        "--norm|group|norm must be one of none, batch, layer, not 'group'"
      })
  void valuesOutOfRange(String option, String value, String message) {
    String all = String.join(", ", Catalogue.aligners().ids());
    Cli.Run run = experiment("--train", 100, "--epochs", 1, option, value);
    String expected = "merganser: " + message.replace("ALIGNERS", all) + "\n";
    assertThat(run).isEqualTo(new Cli.Run(2, "", expected));
    assertThat(temp.resolve("out")).doesNotExist();
  }
}
