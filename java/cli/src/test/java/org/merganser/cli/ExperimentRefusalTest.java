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

/** What an experiment refuses, in one line, before it trains and leaves files. */
class ExperimentRefusalTest {
  @TempDir Path temp;

  private Cli.Run experiment(Object... options) {
    List<Object> args = new ArrayList<>(List.of("experiment", "cca-merge"));
    args.addAll(List.of(options));
    args.addAll(List.of("--out", temp.resolve("out")));
    return Cli.run(args.toArray());
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

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).isEmpty();
    assertThat(temp.resolve("out")).doesNotExist();
  }
}
