// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;

class InterferenceCommandTest {
  @TempDir Path temp;

  private Path base;
  private Path a;
  private Path b;

  /** Differences (3, 0 | 4) and (-3, 0 | 4). */
  @BeforeEach
  void write() throws IOException {
    base = model("base", 1, 2, 5);
    a = model("a", 4, 2, 9);
    b = model("b", -2, 2, 9);
  }

  private Path model(String name, float v0, float v1, float w) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("v.weight", Tensor.of(new float[] {v0, v1}, 1, 2));
    tensors.put("w", Tensor.of(new float[] {w}, 1));
    return write(temp.resolve(name + ".safetensors"), tensors);
  }

  private static Path write(Path path, Map<String, Tensor> tensors) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Safetensors.write(MemoryCheckpoint.of(tensors), path, ws);
    }
    return path;
  }

  @Test
  void modelsByTensorAndInAll() throws IOException {
    Path json = temp.resolve("out.json");
    Cli.Run run = Cli.run("interference", a, b, "--base", base, "--json", json);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("v.weight +2 +3.000 +-1.0000 +0.5000 +0.5000\n")
        .containsPattern("w +1 +4.000 +1.0000 +0.0000 +1.0000\n")
        .containsPattern("all +3 +5.000 +0.2800 +0.3333 +0.7857\n")
        .contains("a.safetensors: |d| = 5.000, cosines 1.0000 0.2800\n")
        .endsWith("wrote " + json + "\n");
    JsonNode read = new ObjectMapper().readTree(json.toFile());
    assertThat(read.at("/all/meanCosine").asDouble()).isCloseTo(.28, within(1e-15));
    assertThat(read.at("/all/norms").toString()).isEqualTo("[5.0,5.0]");
    assertThat(read.at("/all/keepRate").asDouble()).isEqualTo(11.0 / 14);
    assertThat(read.at("/tensors/v.weight/signConflictWhereBothDiffer").asDouble()).isEqualTo(1);
    assertThat(read.at("/tensors/w/cosines").toString()).isEqualTo("[[1.0,1.0],[1.0,1.0]]");
    assertThat(read.at("/base").asText()).isEqualTo(base.toString());
    // An older one of its kind is replaced, another file is not.
    assertThat(Cli.run("interference", a, "--base", base, "--json", json).out())
        .endsWith("replaced " + json + "\n");
    assertThat(new ObjectMapper().readTree(json.toFile()).at("/all/meanCosine").isNull()).isTrue();
    Files.writeString(json, "{}");
    Cli.Run refused = Cli.run("interference", a, "--base", base, "--json", json);
    assertThat(refused.code()).isEqualTo(2);
    assertThat(refused.err()).contains("exists and is not interference of task vectors");
  }

  @Test
  void tensorsCanBeLeftOut() {
    Cli.Run run = Cli.run("interference", a, b, "--base", base, "--ignore", "w");
    assertThat(run.out())
        .startsWith("left out: ['w']\n")
        .containsPattern("all +2 +3.000 +-1.0000 +0.5000 +0.5000\n");
  }

  private Path adapter(String name, float down, float up) throws IOException {
    Path folder = Files.createDirectories(temp.resolve(name));
    Files.writeString(
        folder.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2}");
    Map<String, Tensor> factors = new LinkedHashMap<>();
    factors.put("base_model.model.v.lora_A.weight", Tensor.of(new float[] {down, 1}, 1, 2));
    factors.put("base_model.model.v.lora_B.weight", Tensor.of(new float[] {up}, 1, 1));
    write(folder.resolve("adapter_model.safetensors"), factors);
    return folder;
  }

  @Test
  void adaptersWithAndWithoutTheirBase() throws IOException {
    // 2 (3, 1) and 2 (-1, 1): products 40, 8 and -8.
    Path one = adapter("one", 3, 1);
    Path two = adapter("two", -1, 1);
    Cli.Run factors = Cli.run("interference", "--adapters", one, two);
    assertThat(factors.err()).isEmpty();
    assertThat(factors.out())
        .containsPattern("v.weight +2 +4.576 +-0.4472 +- +-\n")
        .containsPattern("all +2 +4.576 +-0.4472 +- +-\n");
    Cli.Run folded = Cli.run("interference", "--adapters", one, two, "--base", base);
    assertThat(folded.out())
        .containsPattern("v.weight +2 +4.576 +-0.4472 +0.5000 +0.8333\n")
        .containsPattern("w +1 +0.000 +- +0.0000 +-\n")
        .containsPattern("all +3 +4.576 +-0.4472 +0.3333 +0.8333\n");
  }

  /** 256 in BF16, whose neighbours are 254.. and 258: a difference of 0.25 would be none. */
  @Test
  void adaptersAreNotRoundedToTheTypeOfTheBase() throws IOException {
    Path half = temp.resolve("half.safetensors");
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint wide =
            MemoryCheckpoint.of(Map.of("v.weight", Tensor.of(new float[] {256, 256}, 1, 2)))) {
      Safetensors.write(wide.as(DType.BF16), half, ws);
    }
    // 2 * 0.125 (3, 1) and 2 * 0.125 (-1, 1).
    Cli.Run run =
        Cli.run(
            "interference",
            "--adapters",
            adapter("p", 3, .125f),
            adapter("q", -1, .125f),
            "--base",
            half);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).containsPattern("v.weight +2 +0.5721 +-0.4472 +0.5000 +0.8333\n");
  }

  @Test
  void adaptersOfAnotherBaseAreRefused() throws IOException {
    Path folder = adapter("own", 3, 1);
    Path weights = folder.resolve("adapter_model.safetensors");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint origin = Safetensors.open(base);
        LoraAdapter adapter = LoraAdapter.open(folder)) {
      Path beside = temp.resolve("beside.safetensors");
      Safetensors.write(adapter.tensors(), LoraAdapter.baseDigests(origin, ws), beside, ws);
      Files.move(beside, weights, StandardCopyOption.REPLACE_EXISTING);
    }
    assertThat(Cli.run("interference", "--adapters", folder, "--base", base).code()).isZero();
    Cli.Run refused = Cli.run("interference", "--adapters", folder, "--base", a);
    assertThat(refused.code()).isEqualTo(3);
    assertThat(refused.err()).contains("own was not trained for this model: 2 of 2 tensors");
  }

  @Test
  void badInput() throws IOException {
    Cli.Run none = Cli.run("interference", a, b);
    assertThat(none.code()).isEqualTo(2);
    assertThat(none.err()).contains("give --base; adapters (--adapters) need none");
    Cli.Run over = Cli.run("interference", a, "--base", base, "--json", base, "--force");
    assertThat(over.code()).isEqualTo(2);
    assertThat(over.err()).contains("is one of the models");
    Path other =
        write(temp.resolve("other.safetensors"), Map.of("w", Tensor.of(new float[] {1, 2}, 2)));
    assertThat(Cli.run("interference", other, "--base", base).code()).isEqualTo(3);
    Path bad = model("bad", Float.NaN, 1, 1);
    Cli.Run run = Cli.run("interference", a, bad, "--base", base);
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err()).contains("'v.weight' at index 0: model 1 has NaN, the base 1.0");
    assertThat(Cli.run("interference", "--adapters", temp.resolve("none")).code()).isEqualTo(5);
    assertThat(Cli.run("interference", "--adapters", a).code()).isEqualTo(5);
  }
}
