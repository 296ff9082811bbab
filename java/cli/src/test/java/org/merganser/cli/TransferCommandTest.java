// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.TransformerConfig;

/** {@code align --weights} and {@code transfer}: what is planted is found, kept and added. */
class TransferCommandTest {
  private static final TransformerConfig CONFIG = TransformerConfig.llama(6, 8, 2, 4, 2, 2, 12);

  @TempDir Path temp;

  /** target; skill, which differs from it; base and moved: target and skill under a symmetry. */
  @BeforeEach
  void write() throws IOException {
    SymmetryElement g = SymmetryElement.random(CONFIG, EnumSet.of(Kind.UNITS, Kind.HEADS), 1);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint target = random(0);
        MemoryCheckpoint skill = random(0.1)) {
      write("target", target, ws);
      write("skill", skill, ws);
      write("base", g.apply(target), ws);
      write("moved", g.apply(skill), ws);
    }
  }

  private static MemoryCheckpoint random(double change) {
    SplittableRandom random = new SplittableRandom(1);
    SplittableRandom more = new SplittableRandom(2);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    CONFIG
        .tensors(DType.F32)
        .forEach(
            (name, info) -> {
              float[] values = new float[(int) info.size()];
              for (int i = 0; i < values.length; i++) {
                values[i] = (float) (random.nextDouble() - 0.5 + change * more.nextDouble());
              }
              tensors.put(name, Tensor.of(values, info.dims()));
            });
    return MemoryCheckpoint.of(tensors);
  }

  private void write(String name, Checkpoint model, Workspace ws) throws IOException {
    Path folder = Files.createDirectories(temp.resolve(name));
    CONFIG.writeTo(folder.resolve("config.json"));
    Safetensors.write(model, folder.resolve("model.safetensors"), ws);
  }

  private Cli.Run transfer(Path out, Object... more) {
    Object[] usual = {
      "transfer",
      temp.resolve("target"),
      "--skill",
      temp.resolve("moved"),
      "--base",
      temp.resolve("base"),
      "-o",
      out
    };
    Object[] all = Arrays.copyOf(usual, usual.length + more.length);
    System.arraycopy(more, 0, all, usual.length, more.length);
    return Cli.run(all);
  }

  @Test
  void aTransferGivesTheSkillInTheCoordinatesOfTheTarget() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = transfer(out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains("% of the hidden units", "rows of embeddings are matched by their numbers")
        .endsWith("wrote " + out + ": 21 tensors, 1096 parameters\n");
    assertThat(distance(out, "skill")).isLessThan(1e-5);
    assertThat(out.resolve("config.json")).exists();
    assertThat(Files.readString(out.resolve("README.md"))).contains("symmetry");
    Cli.Run none = transfer(temp.resolve("none"), "--lambda", 0);
    assertThat(none.code()).isZero();
    assertThat(temp.resolve("none/model.safetensors"))
        .hasSameBinaryContentAs(temp.resolve("target/model.safetensors"));
  }

  @Test
  void aSymmetryIsFoundKeptAndTaken() throws IOException {
    Path element = temp.resolve("g.mgsymmetry");
    Path report = temp.resolve("report.json");
    Cli.Run align =
        Cli.run(
            "align",
            "--weights",
            temp.resolve("base"),
            temp.resolve("target"),
            "--report",
            report,
            "-o",
            element);
    assertThat(align.err()).isEmpty();
    assertThat(align.code()).isZero();
    assertThat(align.out())
        .contains("squared distance", "moved: ")
        .endsWith("wrote " + element + "\n");
    assertThat(Files.readString(report))
        .contains("\"before\"", "\"familiesAfter\"", "\"movedUnits\"");
    Path out = temp.resolve("out");
    Cli.Run run = transfer(out, "--element", element);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(distance(out, "skill")).isLessThan(1e-5);
    // What it replaces without --force is another one of its kind.
    assertThat(
            Cli.run(
                    "align",
                    "--weights",
                    temp.resolve("base"),
                    temp.resolve("target"),
                    "-o",
                    element)
                .out())
        .endsWith("replaced " + element + "\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "2|--models nowhere --models none --skil x|merganser: unknown option '--skil'; did you mean"
            + " --skill?",
        "2|--element none.safetensors|merganser: --element: no file none.safetensors",
        "2|--element a --scales quartic|merganser: --element is the symmetry itself, so nothing is",
        "2|--residual round|merganser: --residual must be one of none, signed-permutation, orthogonal,"
            + " not 'round'",
        "2|--scales x|merganser: --scales must be one of none, balance, quartic, not 'x'",
        "2|--source x|merganser: --source must be one of base, skill, not 'x'",
        "2|--symmetry sweps=2|merganser: --symmetry has no setting 'sweps'; it has",
        "2|--symmetry sweeps=x|merganser: --symmetry: sweeps",
        "2|--residual none --symmetry residual=none|merganser: --symmetry: residual is set twice",
        "2|--lambda NaN|merganser: --lambda must be a number, not NaN",
        "2|--dtype i64|merganser: --dtype I64: give f32, bf16, f16 or f64",
      })
  void badOptionsAreOneMessage(int code, String options, String message) {
    Cli.Run run = transfer(temp.resolve("out"), (Object[]) options.split(" "));
    assertThat(run.err()).startsWith(message);
    assertThat(run.err().lines().filter(line -> line.startsWith("\tat"))).isEmpty();
    assertThat(run.code()).isEqualTo(code);
    assertThat(temp.resolve("out")).doesNotExist();
  }

  /** Before models are opened, as of what {@code -o} names. */
  @Test
  void aReportIsCheckedBeforeAnyWork() throws IOException {
    Path model = temp.resolve("target/model.safetensors");
    byte[] before = Files.readAllBytes(model);
    Path taken = Files.writeString(temp.resolve("taken.json"), "{\"mine\": 1}");
    Path element = temp.resolve("g.mgsymmetry");
    Map<Path, String> wrong = new LinkedHashMap<>();
    wrong.put(temp.resolve("none/r.json"), "its folder does not exist");
    wrong.put(temp, "it is a folder");
    wrong.put(model, "--report " + model + " is one of the models; choose another file");
    wrong.put(temp.resolve("target/r.json"), "which is read; choose another folder");
    wrong.put(temp.resolve("r.txt"), "no .txt file; use --report " + temp.resolve("r.json"));
    wrong.put(temp.resolve("base/../g.mgsymmetry"), "--report and -o name one file");
    wrong.put(taken, "--report " + taken + " exists and is not a report of a symmetry; choose");
    for (Map.Entry<Path, String> each : wrong.entrySet()) {
      Cli.Run run = align(element, "--report", each.getKey());
      assertThat(run.err()).startsWith("merganser: ").contains(each.getValue());
      assertThat(run.out()).isEmpty();
      assertThat(run.code()).isIn(2, 5);
      assertThat(element).doesNotExist();
    }
    assertThat(model).hasBinaryContent(before);
    assertThat(taken).hasContent("{\"mine\": 1}");
    assertThat(align(element, "--report", taken, "--force").code()).isZero();
    // One of its kind is replaced without it.
    assertThat(align(element, "--report", taken).out()).contains("replaced " + taken + "\n");
  }

  private Cli.Run align(Path out, Object... more) {
    Object[] usual = {
      "align", "--weights", temp.resolve("base"), temp.resolve("target"), "-o", out
    };
    Object[] all = Arrays.copyOf(usual, usual.length + more.length);
    System.arraycopy(more, 0, all, usual.length, more.length);
    return Cli.run(all);
  }

  /** The same in YAML, byte for byte; what is wrong is told at its place in the file. */
  @Test
  void aRecipeSaysTheSame() throws IOException {
    String text =
        "merge_method: task_arithmetic\n"
            + "base_model: %1$s/target\n"
            + "models:\n"
            + "  - {model: %1$s/moved, parameters: {weight: 1}}\n"
            + "parameters: {lambda: 0.5}\n"
            + "align: {method: symmetry, from: %1$s/base}\n";
    Path recipe = Files.writeString(temp.resolve("recipe.yml"), text.formatted(temp));
    Path merged = temp.resolve("merged");
    Cli.Run run = Cli.run("merge", recipe, "-o", merged);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    Path out = temp.resolve("out");
    assertThat(transfer(out, "--lambda", 0.5).code()).isZero();
    assertThat(merged.resolve("model.safetensors"))
        .hasSameBinaryContentAs(out.resolve("model.safetensors"));
    Files.writeString(recipe, text.formatted(temp).replaceFirst(", from: .*", "}"));
    Cli.Run without = Cli.run("plan", recipe);
    assertThat(without.err())
        .startsWith("merganser: " + recipe + ":6:8: symmetry moves what models learned since");
    assertThat(without.code()).isEqualTo(2);
  }

  /** A rotation of the residual stream absorbs gains, so tied models get a head of their own. */
  @Test
  void aTiedModelIsUntiedWhereThatIsAsked() throws IOException {
    TransformerConfig tied = CONFIG.with("tied", true);
    for (String name : List.of("target", "base", "moved")) {
      Path file = temp.resolve(name).resolve("model.safetensors");
      Path part = temp.resolve("part.safetensors");
      try (Workspace ws = Workspace.builder().threads(1).open();
          Checkpoint model = Safetensors.open(file)) {
        Safetensors.write(model.where(tensor -> !tensor.equals("lm_head.weight")), part, ws);
      }
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
      tied.writeTo(temp.resolve(name).resolve("config.json"));
    }
    Path element = temp.resolve("g.mgsymmetry");
    Object[] align = {
      "align",
      "--weights",
      temp.resolve("base"),
      temp.resolve("target"),
      "-o",
      element,
      "--residual",
      "orthogonal"
    };
    Cli.Run refused = Cli.run(align);
    assertThat(refused.err()).startsWith("merganser: gains of").contains("tie_word_embeddings");
    assertThat(refused.code()).isEqualTo(3);
    Object[] untie = Arrays.copyOf(align, align.length + 1);
    untie[align.length] = "--untie";
    assertThat(Cli.run(untie).code()).isZero();
    Path out = temp.resolve("out");
    Cli.Run run = transfer(out, "--element", element);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(Files.readString(out.resolve("config.json")))
        .contains("\"tie_word_embeddings\": false");
    try (Checkpoint result = Safetensors.open(out)) {
      assertThat(result.tensors()).containsKey("lm_head.weight");
    }
    Path again = temp.resolve("again");
    assertThat(transfer(again, "--element", element, "--untie").code()).isZero();
    assertThat(Files.mismatch(out.resolve("model.safetensors"), again.resolve("model.safetensors")))
        .isEqualTo(-1);
  }

  @Test
  void modelsThatAreNotThereAreNamedByTheirOption() {
    Object target = temp.resolve("target");
    Path out = temp.resolve("out");
    String[][] wrong = {
      {"--skill", "no/x", "--base", "a"}, {"--skill", "" + target, "--base", "no/x"}
    };
    for (int i = 0; i < 2; i++) {
      Cli.Run run =
          Cli.run(
              "transfer", target, wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], "-o", out);
      assertThat(run.err())
          .startsWith("merganser: " + wrong[i][2 * i] + ": no model 'no/x' on this machine");
      assertThat(run.code()).isEqualTo(2);
    }
  }

  @Test
  void otherStructuresAreIncompatibleModels() throws IOException {
    CONFIG.with("epsilon", 1e-6).writeTo(temp.resolve("moved/config.json"));
    Cli.Run run = transfer(temp.resolve("out"));
    assertThat(run.err()).startsWith("merganser: ").contains("epsilon: 1.0E-5 in");
    assertThat(run.code()).isEqualTo(3);
    Files.writeString(
        temp.resolve("moved/config.json"), "{\"model_type\": \"mamba\", \"hidden_size\": 8}");
    Cli.Run unknown = transfer(temp.resolve("out"));
    assertThat(unknown.err()).startsWith("merganser: ").contains("mamba");
    assertThat(unknown.code()).isEqualTo(3);
  }

  @Test
  void optionsOfTheOtherKindOfAlignmentAreRefused() {
    Path out = temp.resolve("g.mgsymmetry");
    Object[] both = {
      "align",
      "--weights",
      temp.resolve("base"),
      temp.resolve("target"),
      "-o",
      out,
      "--method",
      "cca"
    };
    assertThat(Cli.run(both).err())
        .startsWith("merganser: --method does not go with --weights, which needs no activations");
    Cli.Run without =
        Cli.run("align", temp.resolve("a"), temp.resolve("b"), "--residual", "none", "-o", out);
    assertThat(without.err())
        .startsWith("merganser: --residual is for transformers: give --weights SOURCE TARGET");
    Cli.Run none = Cli.run("align", "-o", out);
    assertThat(none.err()).startsWith("merganser: Missing required parameters: 'A', 'B'");
    assertThat(none.code()).isEqualTo(2);
  }

  private double distance(Path folder, String name) throws IOException {
    double largest = 0;
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint found = Safetensors.open(folder);
        Checkpoint wanted = Safetensors.open(temp.resolve(name))) {
      for (String tensor : wanted.tensors().keySet()) {
        try (Tensor a = found.read(tensor, ws);
            Tensor b = wanted.read(tensor, ws)) {
          double[] x = a.toDoubleArray();
          double[] y = b.toDoubleArray();
          for (int i = 0; i < x.length; i++) {
            largest = Math.max(largest, Math.abs(x[i] - y[i]));
          }
        }
      }
    }
    return largest;
  }
}
