// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

class LoraAdapterTest {
  private static final String RANK_2 = "\"r\": 2, \"lora_alpha\": 3";

  @TempDir private Path folder;

  /** {@code W + s B A} in double, rounded once, of weights that are stored either way round. */
  @Cases(60)
  void isAddedInOneRounding(Draw draw) throws IOException {
    int in = draw.integer(1, 40);
    int out = draw.integer(1, 70);
    int rank = draw.integer(1, 6);
    boolean across = draw.of(false, true) && in != out;
    DType type = draw.of(DType.F32, DType.BF16, DType.F16, DType.F64);
    double[][] a = rounded(Oracle.gaussian(rank, in, draw.seed()));
    double[][] b = rounded(Oracle.gaussian(out, rank, draw.seed()));
    Tensor weight =
        Adapters.tensor(type, Oracle.gaussian(across ? in : out, across ? out : in, draw.seed()));
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", a, b);
    String settings =
        "\"r\": %d, \"lora_alpha\": 3, \"fan_in_fan_out\": %b".formatted(rank, across);
    Path path = Adapters.write(folder.resolve("a"), settings, tensors);
    double[][] change = Oracle.scale(Oracle.multiply(b, a), 3.0 / rank);
    double[][] sizes =
        Oracle.scale(
            Oracle.multiply(Oracle.map(b, Math::abs), Oracle.map(a, Math::abs)), 3.0 / rank);
    double[] delta = Oracle.flat(across ? Oracle.transpose(change) : change);
    double[] size = Oracle.flat(across ? Oracle.transpose(sizes) : sizes);
    double[] before = weight.toDoubleArray();
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Tensor found =
            adapter.fold(MemoryCheckpoint.of(Map.of("m.weight", weight))).read("m.weight", WS)) {
      double unit = type == DType.F64 ? 0x1p-52 : 0x1p-23;
      double last = type == DType.BF16 ? 0x1p-8 : type == DType.F16 ? 0x1p-11 : 0;
      for (int i = 0; i < before.length; i++) {
        double sum = before[i] + delta[i];
        double room = (rank + 2) * unit * (Math.abs(before[i]) + size[i]);
        assertThat(Math.abs(found.get(i) - sum))
            .as("element " + i)
            .isLessThanOrEqualTo(room + last * (Math.abs(sum) + room) + (last > 0 ? 0x1p-25 : 0));
      }
    }
  }

  private static double[][] rounded(double[][] values) {
    return Oracle.map(values, x -> (float) x);
  }

  /** Groups of rows are larger than what is asked for, and smaller than the tensor. */
  @ParameterizedTest
  @CsvSource({"false, 100000, 23", "true, 23, 100000", "false, 40, 5000", "true, 5000, 40"})
  void anyPartHasTheBytesOfTheWhole(boolean across, int in, int out) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", Oracle.gaussian(3, in, 1), Oracle.gaussian(out, 3, 2));
    String settings = "\"r\": 3, \"lora_alpha\": 1, \"fan_in_fan_out\": " + across;
    Path path = Adapters.write(folder.resolve("a"), settings, tensors);
    Tensor weight =
        Adapters.tensor(DType.BF16, Oracle.gaussian(across ? in : out, across ? out : in, 3));
    try (LoraAdapter adapter = LoraAdapter.open(path);
        MemoryCheckpoint base = MemoryCheckpoint.of(Map.of("m.weight", weight))) {
      Checkpoint folded = adapter.fold(base);
      long row = weight.dim(1);
      long rows = Math.min(weight.dim(0), Long.highestOneBit((1 << 19) / row));
      assertThat(folded.block("m.weight")).isEqualTo(rows * row);
      long groups = (weight.dim(0) + rows - 1) / rows;
      // One factor for each group of rows, and the rows of the other.
      assertThat(folded.cost("m.weight").reads())
          .isEqualTo(2L * in * out + 12 * (groups * row + weight.dim(0)));
      byte[] whole = Models.bytes(folded.read("m.weight", WS));
      for (long tile : new long[] {row, 7 * row, 64 * row, row / 2 + 3}) {
        Tensor found = Tensor.zeros(DType.BF16, weight.shape());
        for (long from = 0; from < weight.size(); from += tile) {
          long to = Math.min(weight.size(), from + tile);
          try (Tensor part =
              Tensor.over(found.memory().slice(2 * from, 2 * (to - from)), DType.BF16, to - from)) {
            folded.readRange("m.weight", from, to, part, WS);
          }
        }
        assertThat(Models.bytes(found)).as("by " + tile).isEqualTo(whole);
      }
    }
  }

  @Test
  void whatDoesNotFitIsListedAtOnce() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "layers.0.q", Oracle.gaussian(2, 8, 1), Oracle.gaussian(8, 2, 2));
    Adapters.put(tensors, "layers.7.q", Oracle.gaussian(2, 8, 1), Oracle.gaussian(8, 2, 2));
    Adapters.put(tensors, "layers.1.up", Oracle.gaussian(2, 20, 1), Oracle.gaussian(8, 2, 2));
    tensors.put("head.bias", Tensor.zeros(DType.F32, 6));
    tensors.put("lm_head.weight", Tensor.zeros(DType.F32, 6, 8));
    Path path = Adapters.write(folder.resolve("a"), RANK_2, tensors);
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Checkpoint base = Safetensors.open(Adapters.fixture("base.safetensors"))) {
      assertThatThrownBy(() -> adapter.fold(base))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageStartingWith("adapter " + path + " does not fit ")
          .hasMessageContaining("'head.bias' is F32 [5]; the adapter has F32 [6] in its place")
          .hasMessageContaining("no tensor 'lm_head.weight'")
          .hasMessageContaining("which a model of tied embeddings stores no more")
          .hasMessageContaining("no tensor 'layers.7.q.weight'")
          .hasMessageContaining(
              "'layers.1.up.weight' is F32 [20, 8]; A F32 [2, 20] and B F32 [8, 2]")
          .hasMessageContaining("with 'fan_in_fan_out' for its transpose")
          .satisfies(e -> assertThat(((IncompatibleModelsException) e).problems()).hasSize(4));
    }
  }

  /** What PEFT writes where a layer turned out to be a linear one after all. */
  @Test
  void squareWeightsAreNotTransposedAsTheyHappenToFit() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "square", Oracle.gaussian(2, 8, 1), Oracle.gaussian(8, 2, 2));
    Adapters.put(tensors, "plain", Oracle.gaussian(2, 8, 1), Oracle.gaussian(5, 2, 2));
    Path path = Adapters.write(folder.resolve("a"), RANK_2 + ", \"fan_in_fan_out\": true", tensors);
    MemoryCheckpoint base =
        MemoryCheckpoint.of(
            Map.of(
                "square.weight", Tensor.zeros(DType.F32, 8, 8),
                "plain.weight", Tensor.zeros(DType.F32, 5, 8)));
    try (base;
        LoraAdapter adapter = LoraAdapter.open(path)) {
      assertThatThrownBy(() -> adapter.fold(base))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("'plain.weight' fits only as it is")
          .hasMessageContaining("which way square ones ('square.weight') are cannot be told");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"r\": 3, \"lora_alpha\": 3 | 'm' has A F32 [2, 4] and B F32 [5, 2], for rank 2; the"
            + " configuration says 3",
        "\"r\": 2, \"lora_alpha\": 3, \"rank_pattern\": {\"m\": 1} | for rank 2; the configuration"
            + " says 1",
        "\"lora_alpha\": 3 | adapter_config.json: no 'r'",
        "\"r\": 2 | adapter_config.json: no 'lora_alpha'",
        "\"r\": 0, \"lora_alpha\": 3 | 'r' has 0, expected a whole number from 1",
        "\"r\": 2, \"lora_alpha\": NaN | 'lora_alpha' has NaN, expected a finite number",
        "\"r\": \"2\", \"lora_alpha\": 3 | 'r' is VALUE_STRING, expected a number",
        "\"r\": 2, \"lora_alpha\": 3, \"lora_bias\": true | 'lora_bias': biases of the factors are"
            + " not added here",
        "\"r\": 2, \"lora_alpha\": 3, \"layer_replication\": [[0, 2]] | 'layer_replication': the"
            + " adapter is for",
        "\"r\": 2, \"lora_alpha\": 3, \"init_lora_weights\": \"pissa\" | 'init_lora_weights':"
            + " 'pissa' takes something off",
        "\"r\": 2, \"lora_alpha\": 3, \"bias\": \"some\" | 'bias': expected is none, all or"
            + " lora_only, not 'some'",
        "\"r\": 2, \"lora_alpha\": 3, \"use_newness\": true | 'use_newness': the key is not known"
            + " here",
        "\"r\": 2, \"lora_alpha\": 3, \"rank_pattern\": {\"(m\": 2} | 'rank_pattern': no regular"
            + " expression: '(m'",
        "\"r\": 2, \"lora_alpha\": 3, | no valid JSON",
        "\"r\": 2, \"r\": 2 | no valid JSON: Duplicate field 'r'",
      })
  void whatIsWrongIsNamed(String settings, String message) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", Oracle.gaussian(2, 4, 1), Oracle.gaussian(5, 2, 2));
    Path path = Adapters.write(folder.resolve("a"), settings, tensors);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOfAny(FormatException.class, IncompatibleModelsException.class)
        .hasMessageContaining(path.resolve("adapter_config.json").toString())
        .hasMessageContaining(message);
  }

  @Test
  void otherKindsAreRefused() throws IOException {
    Path path =
        Adapters.write(folder.resolve("a"), RANK_2, Map.of("x", Tensor.zeros(DType.F32, 1)));
    Path config = path.resolve("adapter_config.json");
    Files.writeString(config, "{\"peft_type\": \"IA3\"}");
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            config
                + ": 'peft_type': only LORA is known here, not 'IA3'; fold it with PEFT"
                + " (merge_and_unload) and name the result instead");
    Files.delete(config);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("there is no adapter_config.json in it");
  }

  @Test
  void oddTensorsAreNamed() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("m.lora_A.weight", Tensor.zeros(DType.F32, 2, 4));
    tensors.put("n.lora_magnitude_vector", Tensor.zeros(DType.F32, 4));
    Path path = Adapters.write(folder.resolve("a"), RANK_2, tensors);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("n.lora_magnitude_vector' is part of an adapter of another kind");
    tensors.remove("n.lora_magnitude_vector");
    for (String name : List.of("m.lora_B.default.weight", "n.lora_embedding_A.default")) {
      tensors.put(name, Tensor.zeros(DType.F32, 5, 2));
      Adapters.write(path, RANK_2, tensors);
      assertThatThrownBy(() -> LoraAdapter.open(path))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining(name + "' has the name of an adapter in it ('default')")
          .hasMessageContaining("save_pretrained");
      tensors.remove(name);
    }
    tensors.put("n.base_layer.bias", Tensor.zeros(DType.F32, 4));
    tensors.put("n.bias", Tensor.zeros(DType.F32, 4));
    Adapters.write(path, RANK_2, tensors);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("n.bias' both replace 'n.bias'");
    tensors.keySet().removeIf(name -> name.startsWith("n."));
    Adapters.write(path, RANK_2, tensors);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .hasMessageContaining("'base_model.model.m.lora_A.weight' without its B");
  }

  @Test
  void expressionsThatTakeForeverAreRefused() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "a".repeat(60), Oracle.gaussian(2, 4, 1), Oracle.gaussian(5, 2, 2));
    String settings = RANK_2 + ", \"alpha_pattern\": {\"(.*a){20}b\": 2}";
    Path path = Adapters.write(folder.resolve("a"), settings, tensors);
    assertThatThrownBy(() -> LoraAdapter.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'alpha_pattern': an expression that takes too long to match");
  }

  @Test
  void valuesBeyondTheTypeAreRefused() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", new double[][] {{300}}, new double[][] {{300}});
    Path path = Adapters.write(folder.resolve("a"), "\"r\": 1, \"lora_alpha\": 1", tensors);
    Tensor weight = Adapters.tensor(DType.F16, new double[][] {{1}});
    try (LoraAdapter adapter = LoraAdapter.open(path)) {
      Checkpoint folded = adapter.fold(MemoryCheckpoint.of(Map.of("m.weight", weight)));
      assertThatThrownBy(() -> folded.read("m.weight", WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining(
              "'m.weight' with its adapter: 1 values or more are beyond the range of F16");
    }
  }

  /** In the model they stay what they are, as in any view. */
  @Test
  void adaptersAddNothingThatIsNotFinite() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", new double[][] {{1, Double.NaN}}, new double[][] {{1}, {0}});
    Adapters.put(tensors, "n", new double[][] {{1, 1}}, new double[][] {{1}, {1}});
    Adapters.put(tensors, "o", new double[][] {{1e30, 1}}, new double[][] {{1e30}, {1}});
    Path path = Adapters.write(folder.resolve("a"), "\"r\": 1, \"lora_alpha\": 1", tensors);
    double[][] nan = {{1, Double.NaN}, {1, 1}};
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (String name : new String[] {"m", "n", "o"}) {
      weights.put(name + ".weight", Adapters.tensor(DType.F32, nan));
    }
    try (LoraAdapter adapter = LoraAdapter.open(path)) {
      Checkpoint folded = adapter.fold(MemoryCheckpoint.of(weights));
      assertThat(folded.read("n.weight", WS).toDoubleArray()).containsExactly(2, Double.NaN, 2, 2);
      for (String name : new String[] {"m", "o"}) {
        assertThatThrownBy(() -> folded.read(name + ".weight", WS))
            .isInstanceOf(NumericalException.class)
            .hasMessage(
                "'%s.weight' with adapter %s: 2 values or more are not finite, where the model has 1"
                    .formatted(name, path));
      }
      LoraSum sum = LoraSum.exact(List.of(adapter), List.of(1.0));
      assertThatThrownBy(() -> sum.write(folder.resolve("sum"), DType.F32, false, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("1 values of 'base_model.model.m.lora_A.weight' are not finite");
    }
  }

  /** A tensor that replaces the weight is what the factors are added to. */
  @Test
  void replacedWeightsHaveTheirFactorsToo() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", new double[][] {{1, 2}}, new double[][] {{4}});
    tensors.put("m.base_layer.weight", Adapters.tensor(DType.F64, new double[][] {{10, 20}}));
    Path path = Adapters.write(folder.resolve("a"), "\"r\": 1, \"lora_alpha\": 0.5", tensors);
    Tensor weight = Adapters.tensor(DType.BF16, new double[][] {{1, 1}});
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Tensor found =
            adapter.fold(MemoryCheckpoint.of(Map.of("m.weight", weight))).read("m.weight", WS)) {
      assertThat(adapter.targets()).containsExactly("m.weight");
      assertThat(found.toDoubleArray()).containsExactly(12, 24);
    }
  }
}
