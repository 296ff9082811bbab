// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.plan.Catalogue;
import picocli.CommandLine;

class ExperimentCommandTest {
  private static final List<String> METHODS = List.copyOf(Catalogue.aligners().ids());

  @TempDir Path temp;

  private Cli.Run experiment(Object... options) {
    List<Object> args = new ArrayList<>(List.of("experiment", "cca-merge"));
    args.addAll(List.of(options));
    args.addAll(List.of("--out", temp.resolve("out")));
    return Cli.run(args.toArray());
  }

  @Test
  void printsATableAndWritesItsReports() throws IOException {
    Path keep = temp.resolve("deep").resolve("kept");
    Cli.Run run =
        experiment(
            "--data",
            "blobs",
            "--hidden",
            8,
            "--layers",
            1,
            "--models",
            3,
            "--seeds",
            2,
            "--seed",
            4,
            "--epochs",
            2,
            "--train",
            100,
            "--gamma",
            0.5,
            "--threads",
            2,
            "--keep",
            keep);

    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).containsPattern("method +accuracy +sd +loss\n");
    for (String row : List.of("base", "best-base", "ensemble")) {
      assertThat(run.out()).containsPattern("(?m)^" + row + " +\\d+\\.\\d\\d% +\\d+\\.\\d\\d");
    }
    for (String row : METHODS) {
      assertThat(run.out()).containsPattern("(?m)^" + row + " +\\d+\\.\\d\\d%");
    }
    Path out = temp.resolve("out");
    assertThat(run.out())
        .endsWith(
            "results  "
                + out.resolve("results.json")
                + "\nreport   "
                + out.resolve("report.html")
                + "\n");
    assertThat(Files.readString(out.resolve("results.json")))
        .contains("\"seed\" : 4", "\"gamma\" : [ 0.5 ]", "\"hidden\" : 8", "\"layers\" : 1");
    assertThat(Files.readString(out.resolve("report.html"))).contains("procrustes-scaled");
    assertThat(out.resolve("accuracy.png")).exists();
    for (int pair = 0; pair < 2; pair++) {
      Path folder = keep.resolve("pair-" + pair);
      assertThat(folder.resolve("model-2.safetensors")).exists();
      assertThat(folder.resolve("stats.mgstats")).exists();
      METHODS.forEach(m -> assertThat(folder.resolve("merged-" + m + ".safetensors")).exists());
    }
    assertThat(Fixture.hasPartial(temp)).isFalse();

    // What is kept can be merged again by hand.
    Path merged = temp.resolve("merged.safetensors");
    Path pair = keep.resolve("pair-1");
    Cli.Run again =
        Cli.run(
            "merge",
            pair.resolve("model-0.safetensors"),
            pair.resolve("model-1.safetensors"),
            pair.resolve("model-2.safetensors"),
            "--stats",
            pair.resolve("stats.mgstats"),
            "--gamma",
            0.5,
            "-o",
            merged);
    assertThat(again.err()).isEmpty();
    assertThat(Files.mismatch(merged, pair.resolve("merged-cca.safetensors"))).isEqualTo(-1);
  }

  @Test
  void theDefaultDataAreTheEmbeddedImages() throws IOException {
    Cli.Run run = experiment("--hidden", 8, "--epochs", 1, "--train", 200);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Files.readString(temp.resolve("out").resolve("results.json")))
        .contains("fashion-mnist-subset", "\"mean\" : 0.2", "\"sd\" : 0.3");
  }

  @Test
  void offersTheOptionsOfTheManual() {
    CommandLine command =
        Main.commandLine().getSubcommands().get("experiment").getSubcommands().get("cca-merge");
    for (String option :
        List.of(
            "--data",
            "--hidden",
            "--layers",
            "--models",
            "--seeds",
            "--seed",
            "--epochs",
            "--train",
            "--gamma",
            "--split",
            "--augment",
            "--points",
            "--cache",
            "--out",
            "--keep",
            "--threads")) {
      assertThat(command.getCommandSpec().findOption(option)).as(option).isNotNull();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--hidden|0|hidden must be in [1, 1000000], not 0",
        "--layers|0|layers must be in [1, 1000], not 0",
        "--models|1|models must be at least 2, not 1",
        "--seeds|0|seeds must be at least 1, not 0",
        "--epochs|0|epochs must be at least 1, not 0",
        "--train|1|train must be at least 2, not 1",
        "--train|1000001|cannot draw 1000001 training samples of blobs; ask for 2 to 1000000",
        "--train|2147483647|cannot draw 2147483647 training samples of blobs; ask for 2 to"
            + " 1000000",
        "--points|1|points must be 0 or at least 2, not 1",
        "--split|half|split must be one of none, 80-20, dirichlet, classes, not 'half'",
        "--gamma|NaN|cca: gamma must be finite and at least 0, not NaN",
        "--threads|0|threads must be 1 to 256, not 0",
        "--hidden|2000000000|hidden must be in [1, 1000000], not 2000000000",
        "--hidden|1000000|2 hidden layers of 1000000 have 1000000000000 weights between them, at"
            + " most 1000000000 are trained here; use fewer or narrower layers",
        "--layers|2000000000|layers must be in [1, 1000], not 2000000000",
        "--layers|1001|layers must be in [1, 1000], not 1001",
      })
  void valuesOutOfRange(String option, String value, String message) {
    List<Object> options = new ArrayList<>(List.of("--data", "blobs", option, value));
    if (!option.equals("--epochs")) {
      options.addAll(List.of("--epochs", 1));
    }
    if (!option.equals("--train")) {
      options.addAll(List.of("--train", 10));
    }
    assertRefused(experiment(options.toArray()), 2, message);
  }

  /** An option without effect is a misunderstanding. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--hidden 8 --network vgg11|--hidden: network vgg11 does not use it; drop it",
        "--layers 2 --network resnet20|--layers: network resnet20 does not use it; drop it",
        "--width-multiplier 1|--width-multiplier: network mlp does not use it; drop it",
        "--norm none|--norm: network mlp does not use it; drop it",
        "--gamma 1 --aligners permutation,identity|--gamma: none of --aligners has a setting gamma;"
            + " drop it",
        "--shrink 2 --data blobs|--shrink: data blobs are no images; drop it",
        "--batch-norm fold|--batch-norm: there is no batch normalisation; drop it",
        "--batch-norm fold --network resnet20 --norm none|--batch-norm: there is no batch"
            + " normalisation; drop it",
        "--gamma 1 --aligners ca|no aligner 'ca'",
        "--mergers ties|--mergers: ties needs the base; here are 2 models from different seeds",
        "--mergers slerp --models 3|--mergers: slerp needs 2 models; here are 3 models from",
        "--repairs repair --network resnet20|--repairs: networks with batch normalisation are reset",
        "--repairs repair --no-repair|--repairs: there is --no-repair; drop it",
        "--repairs none|no repair 'none'",
        "--aligners cca:gamma=0.1/x|cca: gamma must be a number, not 'x'",
        "--epochs=|--epochs is empty; a variable may not be set",
      })
  void optionsThatNothingUses(String options, String message) {
    Cli.Run run = experiment((Object[]) options.split(" "));
    assertThat(run.err()).startsWith("merganser: " + message).hasLineCount(1);
    assertThat(run.code()).isEqualTo(2);
    assertThat(temp.resolve("out")).doesNotExist();
  }

  /** Before anything is trained. */
  @Test
  void aRepairThatCorrectsNothing() {
    Cli.Run run = experiment("--repairs", "repair,bn-reset", "--data", "blobs");
    assertThat(run.code()).isEqualTo(3);
    assertThat(run.err())
        .contains("the network has no batch normalisation; use 'repair' instead of 'bn-reset'")
        .doesNotContain("train");
    assertThat(temp.resolve("out")).doesNotExist();
  }

  @Test
  void aShrinkThatDividesNothing() {
    for (int shrink : new int[] {5, 29, 2_000_000_000}) {
      assertRefused(
          experiment("--shrink", shrink),
          2,
          "images of 28x28 do not shrink by " + shrink + "; take a number that divides both sides");
    }
    assertRefused(experiment("--shrink", 0), 2, "shrink must be at least 1, not 0");
  }

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).isEmpty();
    assertThat(temp.resolve("out")).doesNotExist();
  }

  @Test
  void foldersThatHoldNoData() throws IOException {
    Path missing = temp.resolve("missing");
    assertRefused(experiment("--data", missing), 5, "data folder " + missing + " does not exist");
    Path file = Files.writeString(temp.resolve("file"), "x");
    String names =
        "[train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,"
            + " t10k-labels-idx1-ubyte]";
    assertRefused(
        experiment("--data", file),
        5,
        file
            + " is a file; data come as a folder with the files "
            + names
            + ", or of CIFAR in binary form");
    Path empty = Files.createDirectory(temp.resolve("empty"));
    Cli.Run run = experiment("--data", empty);
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err())
        .startsWith("merganser: data folder " + empty + " lacks [train-images-idx3-ubyte[.gz], ")
        .endsWith("it holds nothing\n");
    for (String name : names.substring(1, names.length() - 1).split(", ")) {
      Files.write(empty.resolve(name), new byte[] {0, 0, 8, 3, 0});
    }
    assertRefused(
        experiment("--data", empty),
        5,
        empty.resolve("train-images-idx3-ubyte") + ": ends early; the file is truncated");
  }

  @Test
  void moreSamplesThanThereAre() {
    assertRefused(
        experiment("--train", 6001), 2, "cannot use 6001 training images; the data have 1 to 6000");
  }

  @Test
  void foldersThatCannotBeMade() throws IOException {
    Path file = Files.writeString(temp.resolve("file"), "x");
    for (Path folder : new Path[] {file, file.resolve("below")}) {
      String message = file + ": exists already, and is no folder";
      assertRefused(experiment("--data", "blobs", "--keep", folder), 5, message);
      Cli.Run run = Cli.run("experiment", "cca-merge", "--data", "blobs", "--out", folder);
      assertThat(run).isEqualTo(new Cli.Run(5, "", "merganser: " + message + "\n"));
    }
    assertThat(Files.readString(file)).isEqualTo("x");
  }

  @Test
  void tooFewSamplesForGammaZero() {
    Cli.Run run =
        experiment("--data", "blobs", "--hidden", 8, "--train", 6, "--epochs", 1, "--gamma", 0);
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err())
        .isEqualTo(
            "merganser: space \"fc1\": 8 features but only 6 samples, covariance rank <= 5; raise"
                + " gamma (now 0) or give > 8 samples\n");
  }

  @Test
  void aSecondRunReadsItsModels() throws IOException {
    Object[] options = {"--data", "blobs", "--hidden", 4, "--epochs", 1, "--train", 50};
    Path models = temp.resolve("out").resolve("models");
    assertThat(experiment(options).out())
        .contains("models   " + models + " (2 trained, 0 there before)\n");
    String first = Files.readString(temp.resolve("out").resolve("results.json"));
    Cli.Run again = experiment(options);
    assertThat(again.out()).contains("models   " + models + " (0 trained, 2 there before)\n");
    String second = Files.readString(temp.resolve("out").resolve("results.json"));
    assertThat(second.replaceAll("(?s)\"seconds\".*", ""))
        .isEqualTo(first.replaceAll("(?s)\"seconds\".*", ""));

    Path model;
    try (Stream<Path> files = Files.list(models)) {
      model = files.findFirst().orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(model);
    bytes[bytes.length - 1] ^= 1;
    Files.write(model, bytes);
    Cli.Run damaged = experiment(options);
    assertThat(damaged.code()).isEqualTo(5);
    assertThat(damaged.err())
        .isEqualTo(
            "merganser: "
                + model
                + ": its tensors are not those that were written; this trained model is damaged:"
                + " delete the file, and it is trained again\n");

    Path cache = temp.resolve("elsewhere");
    Cli.Run moved = experiment("--data", "blobs", "--epochs", 1, "--train", 50, "--cache", cache);
    assertThat(moved.out()).contains("models   " + cache + " (2 trained, 0 there before)\n");
  }

  @Test
  void splitsAndPointsAreReported() throws IOException {
    Cli.Run run =
        experiment(
            "--data",
            "blobs",
            "--hidden",
            4,
            "--epochs",
            1,
            "--train",
            200,
            "--split",
            "classes",
            "--points",
            3);
    assertThat(run.err()).isEmpty();
    assertThat(Files.readString(temp.resolve("out").resolve("results.json")))
        .contains("\"split\" : \"classes\"", "\"lambdas\" : [ 0.0, 0.5, 1.0 ]");
    assertThat(temp.resolve("out").resolve("path-loss.png")).exists();
    assertThat(temp.resolve("out").resolve("spectrum-fc1.png")).exists();
    assertThat(Files.readString(temp.resolve("out").resolve("report.html")))
        .contains("each on classes of its own");
  }

  @Test
  void vectorsCannotBeAugmented() {
    assertRefused(
        experiment("--data", "blobs", "--epochs", 1, "--train", 50, "--augment"),
        3,
        "only images [channels, height, width] can be flipped and cropped, samples here are [64];"
            + " train without augmentation");
  }

  @Test
  void foldersThatWereThereStay() throws IOException {
    Path out = Files.createDirectory(temp.resolve("out"));
    assertThat(experiment("--data", temp.resolve("missing")).code()).isEqualTo(5);
    assertThat(out).isEmptyDirectory();
  }

  @Test
  void quickstartChecksItsOptions() {
    Cli.Run run = Cli.run("quickstart", "--hidden", 0, "--out", temp.resolve("out"));
    assertRefused(run, 2, "hidden must be in [1, 1000000], not 0");
  }

  /** Ctrl-C while it trains: code 130, one line, nothing half-written. */
  @Test
  void interruptionEndsWith130() throws Exception {
    assumeTrue(interruptible(), "this process ignores SIGINT, and so do its children");
    Path log = temp.resolve("log");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of("experiment", "cca-merge", "--data", "blobs", "--epochs", "100000"));
    command.addAll(List.of("--out", temp.resolve("out").toString()));
    command.addAll(List.of("--keep", temp.resolve("kept").toString()));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .redirectInput(new File("/dev/null"))
            .start();
    try {
      for (int i = 0; i < 600 && !Files.readString(log).contains("merganser: train"); i++) {
        assertThat(process.isAlive()).as(Files.readString(log)).isTrue();
        Thread.sleep(100);
      }
      new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    assertThat(process.exitValue()).isEqualTo(130);
    assertThat(Files.readString(log))
        .isEqualTo("merganser: train pair 1/1\nmerganser: cancelled\n");
    assertThat(temp.resolve("out")).doesNotExist();
    assertThat(temp.resolve("kept")).doesNotExist();
  }

  private static boolean interruptible() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return false;
    }
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("SigIgn:"))
        .map(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
        .allMatch(mask -> (mask & 1L << 1) == 0);
  }
}
