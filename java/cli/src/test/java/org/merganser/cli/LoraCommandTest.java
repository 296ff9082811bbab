// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
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
import org.merganser.lora.LoraAdapter;

/** {@code lora fold} and {@code lora combine}, and adapters in recipes. */
class LoraCommandTest {
  @TempDir Path temp;

  private Path models;

  /** W = [1 2], and adapters that add [1 2] and [10 0] times their scale, 2. */
  @BeforeEach
  void prepare() throws IOException {
    models = temp.resolve("models");
    Path base = Files.createDirectories(models.resolve("lab/base"));
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"t\"}");
    write(
        base.resolve("model.safetensors"),
        Map.of("fc.weight", Tensor.of(new float[] {1, 2}, 1, 2)));
    adapter("one", new float[] {1, 2}, 1);
    adapter("two", new float[] {5, 0}, 2);
  }

  private void adapter(String name, float[] a, float b) throws IOException {
    Path folder = Files.createDirectories(models.resolve("lab").resolve(name));
    Files.writeString(
        folder.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2}");
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("base_model.model.fc.lora_A.weight", Tensor.of(a, 1, 2));
    tensors.put("base_model.model.fc.lora_B.weight", Tensor.of(new float[] {b}, 1, 1));
    write(folder.resolve("adapter_model.safetensors"), tensors);
  }

  private static void write(Path file, Map<String, Tensor> tensors) throws IOException {
    try (Workspace ws = Workspace.open()) {
      Safetensors.write(MemoryCheckpoint.of(tensors), file, ws);
    }
  }

  private Cli.Run run(Object... arguments) {
    Object[] all = new Object[arguments.length + 2];
    System.arraycopy(arguments, 0, all, 0, arguments.length);
    all[arguments.length] = "--models";
    all[arguments.length + 1] = models;
    return Cli.run(all);
  }

  private static double[] weight(Path folder) throws IOException {
    try (Workspace ws = Workspace.open();
        Checkpoint model = Safetensors.open(folder);
        Tensor weight = model.read("fc.weight", ws)) {
      return weight.toDoubleArray();
    }
  }

  /** By its digests, where an adapter has them; in recipes as well. */
  @Test
  void anAdapterOfAnotherModelIsRefused() throws IOException {
    Path other = models.resolve("lab/other/model.safetensors");
    Files.createDirectories(other.getParent());
    write(other, Map.of("fc.weight", Tensor.of(new float[] {1, 3}, 1, 2)));
    Path factors = models.resolve("lab/one/adapter_model.safetensors");
    try (Workspace ws = Workspace.open();
        Checkpoint base = Safetensors.open(models.resolve("lab/base"));
        Checkpoint bare = MemoryCheckpoint.copyOf(Safetensors.open(factors), ws)) {
      Safetensors.write(bare, LoraAdapter.baseDigests(base, ws), factors, ws);
    }
    Path out = temp.resolve("out");
    Cli.Run refused = run("lora", "fold", "lab/other", "lab/one", "-o", out);
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err())
        .contains("was not trained for this model: 1 of 1 tensors differ", "'fc.weight'");
    assertThat(out).doesNotExist();
    assertThat(run("lora", "fold", "lab/base", "lab/one", "-o", out).err()).isEmpty();
    assertThat(weight(out)).containsExactly(3, 6);
  }

  @Test
  void aModelHasItsAdapter() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = run("lora", "fold", "lab/base", "lab/one", "-o", out, "--dtype", "bf16");
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("adapter   of lab/base+lab/one: " + models.resolve("lab/one") + ", in 1 tensors")
        .contains("wrote " + out + ": 1 tensors, 2 parameters");
    assertThat(weight(out)).containsExactly(3, 6);
    try (Checkpoint model = Safetensors.open(out)) {
      assertThat(model.info("fc.weight").dtype()).isEqualTo(DType.BF16);
    }
    assertThat(Cli.run("verify", out).code()).isZero();
    Cli.Run again = run("lora", "fold", "lab/base", "lab/two", "-o", out);
    assertThat(again.code()).isEqualTo(5);
    assertThat(run("lora", "fold", "lab/base", "lab/two", "-o", out, "--force").code()).isZero();
    assertThat(weight(out)).containsExactly(21, 2);
  }

  @ParameterizedTest
  @CsvSource({
    "'', 1 + 2 + 20, 2 + 4, 2",
    "'--weights=2,-0.5', 1 + 4 - 10, 2 + 8, 2",
    "'--weights=2,-0.5 --rank=1', 1 + 4 - 10, 2 + 8, 1",
    "'--weights=0.5,0.5 --factors', 1 + 9, 2 + 3, 1",
    "'--merger=knots:elect=false', 1 + 11, 2 + 2, 1"
  })
  void adaptersAreAddedUp(String options, String first, String second, int rank)
      throws IOException {
    Path sum = temp.resolve("sum");
    List<Object> command = new ArrayList<>(List.of("lora", "combine", "lab/one", "lab/two"));
    command.addAll(List.of("-o", sum));
    Stream.of(options.split(" ")).filter(option -> !option.isEmpty()).forEach(command::add);
    Object[] all = command.toArray();
    Cli.Run run = run(all);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .isEqualTo("wrote %s: 2 tensors, %d parameters, rank %d%n".formatted(sum, 3 * rank, rank));
    Path out = temp.resolve("out");
    assertThat(run("lora", "fold", "lab/base", sum, "-o", out).err()).isEmpty();
    assertThat(weight(out)[0]).isCloseTo(sum(first), within(1e-5));
    assertThat(weight(out)[1]).isCloseTo(sum(second), within(1e-5));
    assertThat(run(all).err())
        .isEqualTo(
            "merganser: " + sum + ": it holds an adapter; name another folder, or replace it\n");
    assertThat(run(all).code()).isEqualTo(5);
  }

  private static double sum(String terms) {
    return Stream.of(terms.replace("- ", "+ -").split(" \\+ "))
        .mapToDouble(Double::parseDouble)
        .sum();
  }

  @Test
  void recipesPlanThem() throws IOException {
    Path recipe = temp.resolve("r.yml");
    Files.writeString(
        recipe,
        "merge_method: linear\nmodels:\n- model: lab/base+lab/one\n- model: lab/base+lab/two\n"
            + "parameters: {weight: 1}\n");
    Cli.Run plan = run("plan", recipe);
    assertThat(plan.err()).isEmpty();
    assertThat(plan.out()).contains("adapter   of lab/base+lab/two: ");
    Path out = temp.resolve("out");
    assertThat(run("merge", recipe, "-o", out).err()).isEmpty();
    assertThat(weight(out)).containsExactly(12, 4);
  }

  @Test
  void whatIsWrongIsTold() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run none = run("lora", "fold", "lab/base", "lab/none", "-o", out);
    assertThat(none.err()).startsWith("merganser: ").contains("no model 'lab/none'");
    assertThat(none.code()).isEqualTo(2);
    Cli.Run rank = run("lora", "combine", "lab/one", "-o", out, "--rank", "0");
    assertThat(rank.err()).isEqualTo("merganser: rank must be 1 or more, not 0\n");
    assertThat(rank.code()).isEqualTo(2);
    Cli.Run weights = run("lora", "combine", "lab/one", "lab/two", "-o", out, "--weights", "1");
    assertThat(weights.err()).isEqualTo("merganser: 1 weights for 2 adapters; give one for each\n");
    assertThat(weights.code()).isEqualTo(2);
    Cli.Run ties = run("lora", "combine", "lab/one", "-o", out, "--merger", "ties");
    assertThat(ties.err())
        .startsWith(
            "merganser: --merger 'ties': of adapters alone only knots is done; others merge");
    assertThat(ties.code()).isEqualTo(2);
    Cli.Run both =
        run("lora", "combine", "lab/one", "-o", out, "--merger", "knots", "--weights", "1");
    assertThat(both.err()).startsWith("merganser: --merger beside --weights, --rank or --factors");
    assertThat(both.code()).isEqualTo(2);
    Cli.Run model = run("lora", "combine", "lab/base", "-o", out);
    assertThat(model.err()).contains("no adapter of PEFT: there is no adapter_config.json in it");
    assertThat(model.code()).isEqualTo(5);
    Cli.Run folded = run("lora", "combine", "lab/base+lab/one", "-o", out);
    assertThat(folded.err())
        .startsWith("merganser: 'lab/base+lab/one': a model with an adapter; name adapters alone");
    assertThat(folded.code()).isEqualTo(2);
    assertThat(out).doesNotExist();
    Cli.Run over = run("lora", "combine", "lab/one", "-o", models.resolve("lab/one"), "--force");
    assertThat(over.err()).contains("is read; name another folder");
    assertThat(Cli.run("lora").code()).isEqualTo(2);
  }
}
