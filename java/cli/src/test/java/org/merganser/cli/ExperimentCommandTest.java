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
    String small =
        "--data blobs --hidden 8 --layers 1 --models 3 --seeds 2 --seed 4 --epochs 2 --train 100"
            + " --gamma 0.5 --threads 2 --keep";
    List<Object> options = new ArrayList<>(List.of(small.split(" ")));
    options.add(keep);
    Cli.Run run = experiment(options.toArray());

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
    assertMergedAgainByHand(keep.resolve("pair-1"));
  }

  /** What is kept gives the merged model that is kept. */
  private void assertMergedAgainByHand(Path pair) throws IOException {
    Path merged = temp.resolve("merged.safetensors");
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
