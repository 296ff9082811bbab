// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models of networks that are known here are merged, repaired and learned as in experiments. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NetworkMergeTest {
  private static final List<String> BLOBS = List.of("--data", "blobs", "--train", "300");
  private static final List<String> IMAGES =
      List.of("--data", "fashion-mnist-subset", "--train", "120", "--shrink", "4");
  private static final List<String> MLP = List.of("--network", "mlp:hidden=8");
  private static final List<String> RESNET = List.of("--network", "resnet20:width-multiplier=0.25");

  @TempDir static Path temp;

  private Path out;

  /** What the experiments keep is what merge must give. */
  @BeforeAll
  void experiments() {
    out = temp.resolve("merged.safetensors");
    experiment("mlp", BLOBS, "cca-merge", "--hidden", 8, "--repairs", "repair,repair-closed-form");
    experiment("learned", BLOBS, "np-merge", "--hidden", 8, "--steps", 6, "--samples", 0);
    experiment("resnet", IMAGES, "cca-merge", "--network", "resnet20", "--width-multiplier", 0.25);
  }

  private void experiment(String name, List<String> data, String experiment, Object... more) {
    List<Object> args = new ArrayList<>(List.of("experiment", experiment, "--epochs", 1));
    args.addAll(data);
    args.addAll(List.of(more));
    args.addAll(List.of("--aligners", "identity,permutation,cca"));
    args.addAll(experiment.equals("cca-merge") ? List.of("--points", 0) : List.of());
    args.addAll(List.of("--out", temp.resolve("out-" + name), "--keep", temp.resolve(name)));
    Cli.Run run = Cli.run(args.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
  }

  private Path kept(String experiment, String file) {
    return temp.resolve(experiment).resolve("pair-0").resolve(file + ".safetensors");
  }

  private Cli.Run merge(String experiment, List<String> network, List<String> data, String more) {
    Path first = kept(experiment, "model-0");
    Path second = kept(experiment, "model-1");
    List<Object> args = new ArrayList<>(List.of("merge", first, second, "-o", out, "--force"));
    args.addAll(network);
    args.addAll(data);
    args.addAll(List.of(more.split(" ")));
    return Cli.run(args.toArray());
  }

  private void assertSame(Cli.Run run, String experiment, String row) throws IOException {
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Files.mismatch(out, kept(experiment, "merged-" + row))).as(row).isEqualTo(-1);
  }

  @ParameterizedTest
  @CsvSource({
    "--method cca, cca",
    "--method permutation, permutation",
    "--method cca --repair repair, cca+repair",
    "--method cca --repair repair-closed-form, cca+repair-closed-form",
    "--method identity --repair repair, identity+repair"
  })
  void activationsAndRepairsOfAPerceptron(String options, String row) throws IOException {
    assertSame(merge("mlp", MLP, BLOBS, options), "mlp", row);
  }

  @ParameterizedTest
  @CsvSource({
    "--method cca --repair bn-reset, cca+bn-reset",
    "--method permutation --repair bn-reset, permutation+bn-reset",
    "--method permutation, permutation"
  })
  void runningStatisticsAreTakenAnew(String options, String row) throws IOException {
    assertSame(merge("resnet", RESNET, IMAGES, options), "resnet", row);
  }

  @Test
  void coefficientsAreLearned() throws IOException {
    Cli.Run run = merge("learned", MLP, BLOBS, "--method permutation --merger np-merge:steps=6");
    assertSame(run, "learned", "np-merge+permutation");
  }

  /** Measured with the network, read from files, or named by a recipe: one result. */
  @ParameterizedTest
  @CsvSource({"fisher", "regmean"})
  void importancesAreMeasuredOrRead(String merger) throws IOException {
    List<Path> importances = List.of(importance(merger, 0), importance(merger, 1));
    boolean averages = merger.equals("regmean");
    Cli.Run measured = merge("mlp", MLP, BLOBS, "--method identity --merger " + merger);
    assertThat(measured.err()).isEmpty();
    Path read = temp.resolve(merger + "-read.safetensors");
    List<Object> args = new ArrayList<>(List.of("merge"));
    args.addAll(List.of(kept("mlp", "model-0"), kept("mlp", "model-1"), "--merger", merger));
    importances.forEach(file -> args.addAll(List.of("--importance", file)));
    args.addAll(List.of("-o", read));
    Cli.Run run = Cli.run(args.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.out().contains("without importances, so averaged: 'fc1.bias', 'fc1.weight'"))
        .isEqualTo(averages);
    assertThat(Files.mismatch(out, read)).isEqualTo(-1);
    assertNotTheMean(read);
    Cli.Run recipe =
        assertRecipeGives(
            read,
            """
        merge_method: %s
        models:
          - model: %s
            importance: %s
          - model: %s
            importance: %s
        """
                .formatted(
                    merger,
                    kept("mlp", "model-0"),
                    importances.get(0),
                    kept("mlp", "model-1"),
                    importances.get(1)));
    assertThat(recipe.out().contains("note: without importances, so averaged: 'fc1.bias'"))
        .isEqualTo(averages);
    assertThat(Files.readString(temp.resolve("recipe").resolve("merganser.json")))
        .contains(importances.get(1).toRealPath().toString());
  }

  /** A file of them for one of the models. */
  private Path importance(String merger, int model) {
    Path file = temp.resolve(merger + model + ".safetensors");
    List<Object> args =
        new ArrayList<>(
            List.of("importance", kept("mlp", "model-" + model), "--merger", merger, "-o", file));
    args.addAll(MLP);
    args.addAll(BLOBS);
    Cli.Run run = Cli.run(args.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).contains(merger.equals("fisher") ? ": Fisher diagonals of 6" : ": Gram");
    return file;
  }

  private void assertNotTheMean(Path merged) {
    Path linear = temp.resolve("linear.safetensors");
    Cli.run(
        "merge",
        kept("mlp", "model-0"),
        kept("mlp", "model-1"),
        "--method",
        "identity",
        "-o",
        linear);
    assertThat(Cli.run("inspect", merged, linear).out()).doesNotContain("6 equal");
  }

  /** The network is run on the merged model, as by the command line. */
  @Test
  void aRecipeRepairs() throws IOException {
    String models =
        "{model: %s}, {model: %s}".formatted(kept("mlp", "model-0"), kept("mlp", "model-1"));
    assertRecipeGives(
        kept("mlp", "merged-identity+repair"),
        """
        merge_method: linear
        modules:
          default:
            models: [%s]
            parameters: {weight: 0.5}
        repair:
          method: repair
          network: mlp:hidden=8
          data: blobs
          train: 300
        """
            .formatted(models));
  }

  /** As a plan does, and the model that would be replaced stays. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{method: repair, network: 'mlp:hidden=9', data: blobs}|3|the merged model does not fit the"
            + " network",
        "{method: bn-reset, network: 'mlp:hidden=8', data: blobs}|3|the network has no batch",
        "{method: repair, network: 'mlp:hidden=8', data: nowhere}|5|data folder nowhere does not"
      })
  void aRepairThatCannotBeIsRefusedBeforeAnythingIsReplaced(String repair, int code, String message)
      throws IOException {
    String models =
        "merge_method: linear\nmodels: [{model: %s}, {model: %s}]\nparameters: {weight: 1}\n"
            .formatted(kept("mlp", "model-0"), kept("mlp", "model-1"));
    Path file = Files.writeString(temp.resolve("unrepaired.yml"), models);
    Path folder = temp.resolve("unrepaired");
    assertThat(Cli.run("merge", file, "-o", folder, "--force").code()).isZero();
    Files.writeString(file, models + "repair: " + repair);
    assertRefused(Cli.run("plan", file), code, message);
    assertRefused(Cli.run("merge", file, "-o", folder, "--force"), code, message);
    assertThat(Cli.run("verify", folder).code()).isZero();
    assertRefused(
        Cli.run("merge", file, "-o", temp.resolve("part"), "--shard", "1/2"),
        2,
        "--shard: each part would repair the whole model");
  }

  private Cli.Run assertRecipeGives(Path expected, String recipe) throws IOException {
    Path file = Files.writeString(temp.resolve("r.yml"), recipe);
    Path folder = temp.resolve("recipe");
    assertThat(Cli.run("plan", file).err()).isEmpty();
    Cli.Run run = Cli.run("merge", file, "-o", folder, "--force");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Cli.run("inspect", folder, expected).out()).contains("6 tensors compared, 6 equal");
    return run;
  }

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).contains(message);
    assertThat(run.code()).as(run.err()).isEqualTo(code);
    assertThat(run.out()).doesNotContain("wrote", "replaced");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--merger fisher --method identity|2|fisher needs Fisher diagonals of each model (--importance FILE",
        "--merger fisher --method permutation|2|--importance: importances are those of models as they"
            + " are stored; use --method identity, not permutation",
        "--repair bn-reset|2|bn-reset needs the network and inputs: give --network and --data",
        "--merger np-merge --method identity|2|np-merge needs an objective, data and a loss"
            + " (--network and --data, in Java MergeProblem.withObjective)",
        "--network mlp:hidden=8|2|--network needs --data, samples to run it on",
        "--network mlp:hidden=9 --data blobs|3|'fc1.weight' is F32 [8, 64], the network has F32 [9, 64]",
        "--network resnet --data blobs|2|--network: network must be one of mlp, vgg11, vgg16,",
        "--network mlp:depth=3 --data blobs|2|--network has no setting 'depth'; it has network,",
        "--network mlp:norm=batch --data blobs|2|--norm: network mlp does not use it; drop it",
        "--network vgg11 --data blobs|2|vgg11 reads images, the samples of 'blobs' are vectors",
        "--network mlp:hidden=8 --data nowhere|5|data folder nowhere does not exist",
        "--network mlp:hidden=8 --data blobs --method identity|2|--network: method identity does"
            + " not use it; drop it",
        "--network mlp:hidden=8 --data blobs --stats x|2|--stats: --network is run for activations",
        "--network mlp:hidden=8 --data blobs --layers fc1,fc2|2|--layers: --network has spaces of"
            + " its own; drop it",
        "--network mlp:hidden=8 --data blobs --repair bn-reset|3|the network has no batch"
            + " normalisation; use 'repair' instead of 'bn-reset'",
        "--network mlp:hidden=8 --data blobs --repair mend|2|no repair 'mend'; there are bn-reset,",
        "--network mlp:hidden=8 --data blobs --statistics 1|2|statistics must be at least 2, not 1"
      })
  void whatDoesNotGoTogetherIsRefused(String options, int code, String message) {
    assertRefused(merge("mlp", List.of(), List.of(), options), code, message);
  }

  @Test
  void staleStatisticsAreRefusedWithWhatResetsThem() {
    assertRefused(
        merge("resnet", RESNET, IMAGES, "--method cca"),
        3,
        "reset them (merge --repair bn-reset with --network");
    assertRefused(
        merge("resnet", RESNET, IMAGES, "--method cca --repair repair"),
        3,
        "use 'bn-reset' instead of 'repair'");
  }

  /** The goal of a repair is the weighted mean, not the plain one. */
  @Test
  void repairsKnowTheWeightsOfTheMerger() throws IOException {
    String options = "--method identity --repair repair-closed-form --merger linear:weights=";
    assertThat(merge("mlp", MLP, BLOBS, options + "1:0").code()).isZero();
    Map<String, float[]> first = Fixture.read(kept("mlp", "model-0"));
    Fixture.read(out)
        .forEach(
            (name, values) ->
                assertThat(values).as(name).containsExactly(first.get(name), within(1e-4f)));
  }

  @Test
  void alignTakesActivationsFromTheNetworkToo() throws IOException {
    Path maps = temp.resolve("maps.mgalign");
    List<Object> args = new ArrayList<>(List.of("align"));
    args.addAll(List.of(kept("mlp", "model-0"), kept("mlp", "model-1"), "-o", maps));
    args.addAll(MLP);
    args.addAll(BLOBS);
    Cli.Run run = Cli.run(args.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .containsPattern("outputs of the network change by \\d\\.\\d+ of their size");
    Path mapped = temp.resolve("mapped.safetensors");
    Cli.run("apply", maps, kept("mlp", "model-1"), "-o", mapped);
    Cli.run("merge", kept("mlp", "model-0"), mapped, "--method", "identity", "-o", out, "--force");
    assertThat(Files.mismatch(out, kept("mlp", "merged-cca"))).isEqualTo(-1);
  }
}
