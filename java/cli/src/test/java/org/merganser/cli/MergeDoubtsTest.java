// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;

/** What is measured of an alignment before it is believed. */
class MergeDoubtsTest {
  @TempDir Path temp;

  private Fixture files;

  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("merged.safetensors");
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
}
