// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.CcaAligner;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.LinearStack;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;

class MergeCommandTest {
  @TempDir Path temp;

  private Fixture files;
  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("merged.safetensors");
  }

  private Cli.Run merge(String method, String... models) {
    Object[] args = {
      "merge",
      files.model(models[0]),
      files.model(models[1]),
      "--method",
      method,
      "--activations-a",
      files.activations(models[0]),
      "--activations-b",
      files.activations(models[1]),
      "-o",
      out
    };
    return Cli.run(args);
  }

  @Test
  void aPermutedModelMergesBackToTheFirst() throws IOException {
    Cli.Run run = merge("permutation", "a", "b");

    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains(files.model("b") + " into " + files.model("a") + " by permutation:")
        .containsPattern("fc1 +6 +1\\.0000 +1\\.00 +0\\.0e\\+00  kept by its family +none")
        .endsWith("wrote " + out + ": 4 tensors, 51 parameters\n");
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  @Test
  void anUnknownMethodListsTheKnownOnes() {
    Cli.Run run =
        Cli.run("merge", files.model("a"), files.model("b"), "--method", "ties", "-o", temp + "/o");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .isEqualTo(
            "merganser: no aligner 'ties'; there are "
                + String.join(", ", Catalogue.aligners().ids())
                + "\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"identity", "permutation", "cca", "procrustes", "procrustes-scaled"})
  void everyMethodMergesDifferentModels(String method) throws IOException {
    Cli.Run run =
        method.equals("identity")
            ? Cli.run("merge", files.model("a"), files.model("c"), "--method", method, "-o", out)
            : merge(method, "a", "c");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    Map<String, float[]> a = Fixture.read(files.model("a"));
    Map<String, float[]> c = Fixture.read(files.model("c"));
    Map<String, float[]> merged = Fixture.read(out);
    assertThat(merged.keySet()).isEqualTo(a.keySet());
    // Logits are no space: their bias is averaged as it is.
    for (int i = 0; i < Fixture.OUT; i++) {
      float mean = (a.get("fc2.bias")[i] + c.get("fc2.bias")[i]) / 2;
      assertThat(merged.get("fc2.bias")[i]).isCloseTo(mean, within(1e-6f));
    }
    float first = (a.get("fc1.weight")[0] + c.get("fc1.weight")[0]) / 2;
    if (method.equals("identity")) {
      assertThat(merged.get("fc1.weight")[0]).isCloseTo(first, within(1e-6f));
      assertThat(run.out()).startsWith("wrote ");
    } else {
      assertThat(run.out()).contains(" by " + method + ":");
    }
  }

  @Test
  void repeatsGiveTheSameBytesForAnyNumberOfThreads() throws IOException {
    byte[] first = null;
    for (int threads : new int[] {1, 2, 8, 1}) {
      Cli.Run run =
          Cli.run(
              "merge",
              files.model("a"),
              files.model("c"),
              "--activations-a",
              files.activations("a"),
              "--activations-b",
              files.activations("c"),
              "--threads",
              threads,
              "-o",
              out);
      assertThat(run.code()).isZero();
      first = first == null ? Files.readAllBytes(out) : first;
      assertThat(Files.readAllBytes(out)).isEqualTo(first);
    }
  }

  @Test
  void gammaChangesTheResult() throws IOException {
    merge("cca", "a", "c");
    byte[] one = Files.readAllBytes(out);
    for (String[] option :
        new String[][] {
          {"--gamma", "0.01"}, {"--absolute-gamma", "3"}, {"--method", "cca:gamma=0.01"}
        }) {
      Cli.Run run =
          Cli.run(
              "merge",
              files.model("a"),
              files.model("c"),
              "--activations-a",
              files.activations("a"),
              "--activations-b",
              files.activations("c"),
              option[0],
              option[1],
              "-o",
              out);
      assertThat(run.code()).isZero();
      assertThat(Files.readAllBytes(out)).isNotEqualTo(one);
    }
  }

  /** Of a base and one model trained from it, task arithmetic with weight 1 gives the model. */
  @Test
  void differencesToABaseAreMerged() throws IOException {
    Object[] args = {
      "merge", files.model("a"), files.model("b"), "--base", files.model("c"), "-o", out, "--merger"
    };
    List<Object> all = new ArrayList<>(List.of(args));
    all.add("task-arithmetic:weights=1:0");
    Cli.Run run = Cli.run(all.toArray());
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    try (Workspace ws = Workspace.open();
        Checkpoint merged = Safetensors.open(out);
        Checkpoint a = Safetensors.open(files.model("a"));
        Tensor found = merged.read("fc1.weight", ws);
        Tensor wanted = a.read("fc1.weight", ws)) {
      assertThat(found.toDoubleArray()).containsExactly(wanted.toDoubleArray(), within(1e-6));
    }
    all.set(all.size() - 1, "linear");
    assertThat(Cli.run(all.toArray()).err()).contains("linear uses no base");
    all.addAll(List.of("--method", "cca"));
    assertThat(Cli.run(all.toArray()).err())
        .contains("--base: models trained from one base share its features; use --method identity");
  }

  @Test
  void threeModelsTakeActivationsInTheirOrder() throws IOException {
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("b"),
            files.model("a"),
            "--method",
            "permutation",
            "--activations",
            files.activations("a"),
            "--activations",
            files.activations("b"),
            "--activations",
            files.activations("a"),
            "-o",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains(files.model("b") + " into " + files.model("a"));
    Map<String, float[]> a = Fixture.read(files.model("a"));
    Fixture.read(out)
        .forEach((name, values) -> assertThat(values).containsExactly(a.get(name), within(1e-6f)));
  }

  @Test
  void weightsAreNormalised() throws IOException {
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--method",
            "identity",
            "--weights",
            "1,3",
            "-o",
            out);
    assertThat(run.code()).isZero();
    float[] a = Fixture.read(files.model("a")).get("fc1.weight");
    float[] c = Fixture.read(files.model("c")).get("fc1.weight");
    float[] merged = Fixture.read(out).get("fc1.weight");
    for (int i = 0; i < a.length; i++) {
      assertThat(merged[i]).isCloseTo(0.25f * a[i] + 0.75f * c[i], within(1e-6f));
    }
  }

  @Test
  void statisticsServeInsteadOfActivations() throws IOException {
    Path stats = temp.resolve("both.mgstats");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint a = Safetensors.open(files.model("a"));
        Moments moments =
            Moments.fromFiles(
                LinearStack.infer(a),
                List.of(files.activations("a"), files.activations("c")),
                CcaAligner.REQUEST,
                Moments.Options.defaults(),
                ws)) {
      moments.save(stats, ws);
    }
    assertThat(merge("cca", "a", "c").code()).isZero();
    byte[] wanted = Files.readAllBytes(out);
    Cli.Run run = Cli.run("merge", files.model("a"), files.model("c"), "--stats", stats, "-o", out);
    assertThat(run.err()).isEmpty();
    assertThat(Files.readAllBytes(out)).isEqualTo(wanted);

    Cli.Run both =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--stats",
            stats,
            "--activations-a",
            files.activations("a"),
            "-o",
            out);
    assertThat(both.code()).isEqualTo(2);
    assertThat(both.err()).isEqualTo("merganser: use either --stats or activations, not both\n");

    Cli.Run three =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            files.model("b"),
            "--stats",
            stats,
            "-o",
            out);
    assertThat(three.code()).isEqualTo(2);
    assertThat(three.err()).isEqualTo("merganser: statistics of 2 models for 3 checkpoints\n");
  }

  /** Tensors beside the stack need a builder file, which also names counters. */
  @Test
  void anArchitectureFileDescribesOtherNetworks() throws IOException {
    for (String name : new String[] {"a", "b"}) {
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.read(files.model(name)));
      Tensor steps = Tensor.zeros(DType.I64, 1);
      steps.memory().putLong(0, name.equals("a") ? 7 : 9);
      tensors.put("steps", steps);
      files.model("with-steps-" + name, tensors);
    }
    Path builder = temp.resolve("architecture.json");
    Object[] args = {
      "merge",
      files.model("with-steps-a"),
      files.model("with-steps-b"),
      "--method",
      "permutation",
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations("b"),
      "-o",
      out
    };
    Cli.Run without = Cli.run(args);
    assertThat(without.code()).isEqualTo(3);
    assertThat(without.err())
        .isEqualTo(
            "merganser: not a plain stack of linear layers; describe it in a builder file"
                + " (--architecture):\n"
                + "  'steps' I64 [1] is no weight or bias of a linear layer\n");

    Architecture.Builder architecture = Architecture.builder().counter("steps");
    try (Checkpoint a = Safetensors.open(files.model("a"))) {
      LinearStack.infer(a).spaces().forEach(architecture::space);
    }
    architecture.build().write(builder);
    Object[] described = new Object[args.length + 2];
    System.arraycopy(args, 0, described, 0, args.length);
    described[args.length] = "--architecture";
    described[args.length + 1] = builder;
    Cli.Run run = Cli.run(described);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Files.mismatch(out, files.model("with-steps-a"))).isEqualTo(-1);
  }

  @Test
  void namesMayHoldSpacesAndOtherLetters() throws IOException {
    String name = "sp ace";
    if ("UTF-8".equals(System.getProperty("sun.jnu.encoding"))) {
      name += " ä漢";
    }
    Path folder = Files.createDirectory(temp.resolve(name));
    Path model = Files.copy(files.model("a"), folder.resolve(name + ".safetensors"));
    Path target = folder.resolve("out " + name);
    Cli.Run run = Cli.run("merge", model, model, "--method", "identity", "-o", target);
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains(target.toString());
    assertThat(Files.mismatch(target, model)).isEqualTo(-1);
  }

  private Cli.Run mergeWith(String first, String second, Object... more) {
    Object[] common = {
      "merge",
      files.model(first),
      files.model(second),
      "--method",
      "permutation",
      "--activations-a",
      files.activations(first),
      "--activations-b",
      files.activations(second),
      "-o",
      out
    };
    return Cli.run(Stream.concat(Stream.of(common), Stream.of(more)).toArray());
  }

  /** Layers of equal width chain in any order; sorted by name they would run in a wrong one. */
  @Test
  void anOrderThatNothingProvesIsRefusedUntilItIsConfirmed() throws IOException {
    files.square("p", "q", 5, 100, "input", "hidden", "output");
    Cli.Run refused = mergeWith("p", "q");
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err())
        .startsWith("merganser: names and shapes do not prove in which order the layers run;")
        .contains("--layers input,hidden,output\n", "--layers hidden,input,output\n");
    assertThat(out).doesNotExist();
    assertThat(Cli.run("inspect", files.model("p")).out())
        .contains("linear layers whose order is not proved: at least 4 orders fit")
        .contains("\n  --layers input,hidden,output\n")
        .doesNotContain("plain stack");

    Cli.Run run = mergeWith("p", "q", "--layers", "input,hidden,output");
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("\ninput .* kept by its family .*\nhidden .* kept \\(measured, [0-9]e-")
        .doesNotContain("warning");
    Map<String, float[]> p = Fixture.read(files.model("p"));
    Fixture.read(out).forEach((name, values) -> assertThat(values).containsExactly(p.get(name)));
  }

  /** The activations are recomputed from those of the space before. */
  @Test
  void activationsThatContradictTheOrderOrTheModelAreRefused() throws IOException {
    files.square("p", "q", 5, 100, "input", "hidden", "output");
    Cli.Run wrong = mergeWith("p", "q", "--layers", "hidden,input,output");
    assertThat(wrong.code()).isEqualTo(3);
    assertThat(wrong.err())
        .startsWith("merganser: the activations in " + files.activations("p") + " are not those of")
        .contains("input.weight and the activations of 'hidden' do not give those of 'input': off");
    assertThat(out).doesNotExist();

    files.square("r", "s", 5, 100, "l1", "l2", "l3");
    Object[] swapped = {
      "align",
      files.model("r"),
      files.model("s"),
      "--activations-a",
      files.activations("s"),
      "--activations-b",
      files.activations("r"),
      "-o",
      temp.resolve("maps.mgalign")
    };
    Cli.Run run = Cli.run(swapped);
    assertThat(run.code()).isEqualTo(3);
    assertThat(run.err()).contains("are not those of " + files.model("r"));
    assertThat(temp.resolve("maps.mgalign")).doesNotExist();
  }

  /** A dense map goes through ReLU; how much that changes is a number. */
  @Test
  void whatADenseMapChangesIsMeasured() throws IOException {
    files.square("p", "q", 5, 100, "l1", "l2", "l3");
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("p"),
            files.model("q"),
            "--activations-a",
            files.activations("p"),
            "--activations-b",
            files.activations("q"),
            "--gamma",
            "10",
            "-o",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).containsPattern("\nl1 .* not kept .*\nl2 .*(not )?kept \\(measured, ");
  }

  @Test
  void whatMakesAnAlignmentDoubtfulIsSaidWithItsNumbers() throws IOException {
    // Samples in another order: nothing is left to be matched.
    float[] acts = new float[Fixture.SAMPLES * Fixture.HIDDEN];
    try (Tensor read = Npy.read(files.activations("b").resolve("fc1.npy"))) {
      float[] values = read.toFloatArray();
      for (int i = 0; i < values.length; i++) {
        int sample = (i / Fixture.HIDDEN + 77) % Fixture.SAMPLES;
        acts[i] = values[sample * Fixture.HIDDEN + i % Fixture.HIDDEN];
      }
    }
    files.activations("b", acts, Fixture.SAMPLES, Fixture.HIDDEN);
    assertThat(mergeWith("a", "b").out())
        .containsPattern(
            "\nwarning: space 'fc1': matched features correlate by -?0\\.[01]\\d+, and unrelated"
                + " activations of 200 samples and 6 features would by up to 0\\.1339;");

    files.activations("a", Fixture.normal(1, 5 * 6), 5, 6);
    files.activations("b", Fixture.normal(1, 5 * 6), 5, 6);
    assertThat(mergeWith("a", "b").out())
        .contains("\nwarning: space 'fc1': 5 samples for 6 features; give more samples");
  }

  @Test
  void aBindingThatABuilderFileForgetsIsSaid() throws IOException {
    Path builder = temp.resolve("architecture.json");
    Architecture.builder()
        .space("fc1", 6, MapFamily.PERMUTATION, Binding.of("fc1.weight", 0, Role.WEIGHT_OUT))
        .build()
        .write(builder);
    Cli.Run run = mergeWith("a", "b", "--architecture", builder);
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains(
            "warning: " + files.model("a") + ": space 'fc1': no weight reads it",
            ": 2 axes have 6 entries that nothing binds, as many as space fc1: 'fc1.bias' axis 0,"
                + " 'fc2.weight' axis 1;");
  }

  @Test
  void skipsSamplesThatAreNotFiniteWhenAsked() throws IOException {
    float[] acts = new float[Fixture.SAMPLES * Fixture.HIDDEN];
    System.arraycopy(Fixture.normal(8, acts.length), 0, acts, 0, acts.length);
    acts[7 * Fixture.HIDDEN + 2] = Float.NaN;
    files.activations("nan", acts, Fixture.SAMPLES, Fixture.HIDDEN);
    Object[] args = {
      "merge",
      files.model("a"),
      files.model("c"),
      "--activations-a",
      files.activations("a"),
      "--activations-b",
      files.activations("nan"),
      "-o",
      out
    };
    Cli.Run refused = Cli.run(args);
    assertThat(refused.code()).isEqualTo(4);
    assertThat(refused.err()).contains("space 'fc1'", "sample 7", "feature 2", "NaN");
    assertThat(out).doesNotExist();

    Object[] skipping = new Object[args.length + 1];
    System.arraycopy(args, 0, skipping, 0, args.length);
    skipping[args.length] = "--skip-non-finite";
    Cli.Run skipped = Cli.run(skipping);
    assertThat(skipped.code()).isZero();
    assertThat(skipped.out())
        .startsWith("space 'fc1': 1 of 200 samples dropped, not finite; 199 left for 6 features\n");
    assertThat(out).exists();
  }

  @Test
  void fewSamplesLeftAreAWarning() throws IOException {
    float[] acts = Fixture.normal(8, Fixture.SAMPLES * Fixture.HIDDEN);
    for (int s = 0; s < Fixture.SAMPLES - 5; s++) {
      acts[s * Fixture.HIDDEN] = Float.POSITIVE_INFINITY;
    }
    files.activations("few", acts, Fixture.SAMPLES, Fixture.HIDDEN);
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--activations-a",
            files.activations("few"),
            "--activations-b",
            files.activations("c"),
            "--skip-non-finite",
            "-o",
            out);
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .startsWith(
            "warning: space 'fc1': 195 of 200 samples dropped, not finite; 5 left for 6"
                + " features\n");
  }

  @Test
  void replacesAnOlderModelAndSaysSo() throws IOException {
    assertThat(merge("permutation", "a", "c").out()).contains("\nwrote " + out + ": 4 tensors");
    Cli.Run run = merge("permutation", "a", "b");
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("\nreplaced " + out + ": 4 tensors").doesNotContain("wrote");
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    // As mktemp leaves it.
    Files.write(out, new byte[0]);
    assertThat(merge("permutation", "a", "b").out()).contains("\nwrote " + out);
  }

  @Test
  void anOutputThatIsNoModelIsReplacedOnlyByForce() throws IOException {
    Object[] args = {
      "merge", files.model("a"), files.model("a"), "--method", "identity", "-o", out, "--force"
    };
    byte[] maps = Files.readAllBytes(aligned("b-to-a.mgalign"));
    for (byte[] older : new byte[][] {"notes".getBytes(StandardCharsets.UTF_8), maps}) {
      Files.write(out, older);
      Cli.Run refused = Cli.run(Arrays.copyOf(args, args.length - 1));
      assertThat(refused)
          .isEqualTo(
              new Cli.Run(
                  2,
                  "",
                  "merganser: -o "
                      + out
                      + " exists and is not a checkpoint; choose another name, or replace it with"
                      + " --force\n"));
      assertThat(Files.readAllBytes(out)).isEqualTo(older);
      Cli.Run forced = Cli.run(args);
      assertThat(forced.code()).isZero();
      assertThat(forced.out()).startsWith("replaced " + out);
      assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    }
  }

  private Path aligned(String name) {
    Path maps = temp.resolve(name);
    Cli.Run run =
        Cli.run(
            "align",
            files.model("a"),
            files.model("b"),
            "--method",
            "permutation",
            "--activations-a",
            files.activations("a"),
            "--activations-b",
            files.activations("b"),
            "-o",
            maps);
    assertThat(run.code()).isZero();
    return maps;
  }

  /** The numbers are wrong only when the second tensor is read, with the output half-written. */
  @Test
  void aFailureLeavesAnExistingOutputAsItWas() throws IOException {
    Map<String, float[]> bad = Fixture.random(5);
    bad.get("fc2.weight")[4] = Float.NEGATIVE_INFINITY;
    files.model("bad", Fixture.tensors(bad));
    byte[] older = Files.readAllBytes(Files.copy(files.model("c"), out));
    Cli.Run run =
        Cli.run("merge", files.model("a"), files.model("bad"), "--method", "identity", "-o", out);
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err())
        .startsWith(
            "merganser: model 1: 'fc2.weight' F32 [3, 6] holds 1 non-finite values, the first at"
                + " index 4 (-Infinity)");
    assertThat(Files.readAllBytes(out)).isEqualTo(older);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  @Test
  void noInputIsReplacedWhateverPathLeadsToIt() throws IOException {
    byte[] before = Files.readAllBytes(files.model("a"));
    Path around = temp.resolve("acts-a").resolve("..").resolve("a.safetensors");
    Path link = Files.createSymbolicLink(temp.resolve("link"), temp).resolve("a.safetensors");
    for (Path target : new Path[] {files.model("a"), around, link}) {
      Cli.Run run =
          Cli.run(
              "merge", files.model("c"), files.model("a"), "--method", "identity", "-o", target);
      assertThat(run.code()).isEqualTo(2);
      assertThat(run.err())
          .isEqualTo("merganser: -o " + target + " is one of the models; choose another file\n");
    }
    assertThat(Files.readAllBytes(files.model("a"))).isEqualTo(before);
  }

  @Test
  void saysWhyAnOutputCannotBeWrittenBeforeAnyWork() throws IOException {
    Path missing = temp.resolve("missing").resolve("out");
    Path inFile = files.model("a").resolve("out");
    Map<Path, String> reasons = new LinkedHashMap<>();
    reasons.put(missing, ": its folder does not exist; create it first");
    reasons.put(temp, ": it is a folder; name a file in it");
    reasons.put(inFile, ": " + files.model("a") + " is a file, not a folder");
    reasons.put(Path.of("/dev/null"), ": it is no regular file");
    reasons.forEach(
        (target, reason) -> {
          // The activations are not there either; the output is what is looked at first.
          Cli.Run run =
              Cli.run("merge", files.model("a"), files.model("c"), "--stats", "none", "-o", target);
          assertThat(run.code()).isEqualTo(5);
          assertThat(run.err()).isEqualTo("merganser: cannot write " + target + reason + "\n");
        });
  }

  @Test
  void anUnreadableModelIsSaid() throws IOException {
    Path model = files.model("a");
    Files.setPosixFilePermissions(model, java.util.Set.of());
    assumeTrue(!Files.isReadable(model), "this user may read every file");
    Cli.Run run = Cli.run("merge", model, files.model("c"), "--method", "identity", "-o", out);
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err()).isEqualTo("merganser: " + model + ": access denied\n");
  }

  @Test
  void stackTracesAreShownOnRequestOnly() {
    Path missing = temp.resolve("missing.safetensors");
    Object[] args = {"merge", missing, files.model("c"), "--method", "identity", "-o", out};
    Cli.Run quiet = Cli.run(args);
    assertThat(quiet.code()).isEqualTo(5);
    assertThat(quiet.err()).isEqualTo("merganser: " + missing + ": no such file\n");
    for (String option : new String[] {"-v", "--verbose"}) {
      Object[] verbose = new Object[args.length + 1];
      System.arraycopy(args, 0, verbose, 0, args.length);
      verbose[args.length] = option;
      Cli.Run run = Cli.run(verbose);
      assertThat(run.code()).isEqualTo(5);
      assertThat(run.err()).startsWith(quiet.err()).contains("\tat org.merganser.io.Safetensors.");
    }
  }
}
