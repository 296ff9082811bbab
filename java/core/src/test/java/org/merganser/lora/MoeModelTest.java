// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Counted;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

/** Models of experts in files. */
class MoeModelTest {
  @TempDir private Path folder;

  private static MemoryCheckpoint base(long seed) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc.weight", Adapters.tensor(DType.F32, Oracle.gaussian(6, 4, seed)));
    try (Tensor flat = Adapters.tensor(DType.F32, Oracle.gaussian(5, 27, 2))) {
      tensors.put("conv.weight", flat.reshape(5, 3, 3, 3).copy());
    }
    return MemoryCheckpoint.of(tensors);
  }

  private static LoraAdapter adapter(String name, Checkpoint base, long seed) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(LoraAdapter.nameOfA("fc"), Adapters.tensor(DType.F32, Oracle.gaussian(2, 4, seed)));
    tensors.put(
        LoraAdapter.nameOfB("fc"), Adapters.tensor(DType.F32, Oracle.gaussian(6, 2, seed + 1)));
    try (Tensor a = Adapters.tensor(DType.F32, Oracle.gaussian(2, 27, seed + 2));
        Tensor b = Adapters.tensor(DType.F32, Oracle.gaussian(5, 2, seed + 3))) {
      tensors.put(LoraAdapter.nameOfA("conv"), a.reshape(2, 3, 3, 3).copy());
      tensors.put(LoraAdapter.nameOfB("conv"), b.reshape(5, 2, 1, 1).copy());
    }
    return LoraAdapter.of(
        new LoraAdapter.Settings(name, "lab/base", 2, 3, true),
        MemoryCheckpoint.of(tensors, LoraAdapter.baseDigests(base, WS), Set.of()));
  }

  private static MoeModel experts(Checkpoint base) throws IOException {
    List<LoraAdapter> adapters =
        List.of(adapter("a", base, 10), adapter("b", base, 20), adapter("c", base, 30));
    return MoeUpcycler.arrow(2).withTemperature(0).upcycle(base, adapters, WS);
  }

  @Test
  void whatIsWrittenIsReadBack() throws IOException {
    MemoryCheckpoint base = base(1);
    Path one = folder.resolve("one");
    Path two = folder.resolve("two");
    try (MoeModel made = experts(base)) {
      assertThat(made.notes()).noneMatch(note -> note.contains("digests"));
      made.write(one, false, WS);
      made.write(two, false, WS);
      for (String file : List.of("moe.safetensors", "moe_config.json")) {
        assertThat(one.resolve(file)).hasSameBinaryContentAs(two.resolve(file));
      }
      try (MoeModel read = MoeModel.open(one)) {
        assertThat(read.description()).isEqualTo(made.description());
        assertThat(read.description().experts()).containsExactly("a", "b", "c");
        assertThat(read.description().baseName()).isEqualTo("lab/base");
        assertThat(read.layers()).isEqualTo(made.layers());
        assertThat(read.layers().get("conv").isConvolution()).isTrue();
        assertThat(read.layers().get("conv").temperature(read.description()))
            .isEqualTo(Math.sqrt(27));
        assertThat(read.tensors().info("conv.experts.gate").shape())
            .containsExactly(3L, 3L, 3L, 3L);
        Models.assertSameBits("experts", read.tensors(), sorted(made.tensors(), read), WS);
        assertThat(read.parameters()).isEqualTo(3 * (2 * (4 + 6) + 4) + 3 * (2 * (27 + 5) + 27));
        assertThat(read).hasToString("3 experts (arrow, top 2) in 2 modules");
        read.requireBase(base, WS);
        assertThat(read.hasBase()).isFalse();
        assertThatThrownBy(read::openBase)
            .isInstanceOf(IOException.class)
            .hasMessageContaining("has no weights of the model that it is for");
      }
    }
  }

  /** In the order of a file. */
  private static Checkpoint sorted(Checkpoint tensors, MoeModel like) throws IOException {
    Map<String, Tensor> sorted = new LinkedHashMap<>();
    for (String name : like.tensors().tensors().keySet()) {
      sorted.put(name, tensors.read(name, WS));
    }
    return MemoryCheckpoint.of(sorted);
  }

  @Test
  void anotherModelIsRefusedByItsDigests() throws IOException {
    MemoryCheckpoint base = base(1);
    try (MoeModel made = experts(base);
        MemoryCheckpoint other = base(9)) {
      made.write(folder.resolve("moe"), false, WS);
      try (MoeModel read = MoeModel.open(folder.resolve("moe"))) {
        assertThatThrownBy(() -> read.requireBase(other, WS))
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining("1 of 2 tensors differ")
            .hasMessageContaining("'fc.weight' has other values than the model it was trained for");
        assertThatThrownBy(() -> read.write(folder.resolve("x"), other, false, WS))
            .isInstanceOf(IncompatibleModelsException.class);
        assertThat(folder.resolve("x")).doesNotExist();
      }
      assertThatThrownBy(
              () ->
                  MoeUpcycler.arrow(1)
                      .upcycle(base, List.of(adapter("a", base, 10), adapter("b", other, 10)), WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("adapter b was not trained for")
          .hasMessageContaining("'fc.weight' has other values");
    }
  }

  @Test
  void adaptersOfDifferentModelsHaveNoSum() throws IOException {
    MemoryCheckpoint base = base(1);
    try (MemoryCheckpoint other = base(9);
        LoraAdapter one = adapter("a", base, 10);
        LoraAdapter two = adapter("b", other, 10)) {
      assertThatThrownBy(() -> LoraSum.exact(List.of(one, two), List.of(1.0, 1.0)))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining(
              "b was trained for another model than a, by the digests of its tensors");
    }
  }

  /** As the last layers of tasks. */
  @Test
  void partsThatEveryTaskHasForItselfAreNotCompared() throws IOException {
    MemoryCheckpoint base = base(1);
    try (MemoryCheckpoint other = base(9)) {
      List<LoraAdapter> adapters = List.of(adapter("a", base, 10), adapter("b", other, 10));
      try (MoeModel made = MoeUpcycler.arrow(1).withOwn("fc").upcycle(base, adapters, WS)) {
        made.requireBase(base, WS);
        made.requireBase(other, WS);
      }
      assertThatThrownBy(
              () -> MoeUpcycler.arrow(1).withOwn("f", "conv").upcycle(base, adapters, WS))
          .hasMessageContaining("adapter b was not trained for this model: 1 of 1 tensors differ");
    }
  }

  @Test
  void theModelMayBeInIt() throws IOException {
    MemoryCheckpoint base = base(1);
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base)) {
      made.write(path, base, false, WS);
      assertThatThrownBy(() -> made.write(path, false, WS))
          .isInstanceOf(FileAlreadyExistsException.class)
          .hasMessageContaining("it holds a model of experts; name another folder, or replace it");
      try (MoeModel read = MoeModel.open(path);
          Checkpoint own = read.openBase()) {
        read.requireBase(own, WS);
      }
      made.write(path, true, WS);
      try (MoeModel read = MoeModel.open(path)) {
        assertThat(read.hasBase()).isFalse();
      }
    }
  }

  /** Factors and gates that were trained, with the description and the digests as before. */
  @Test
  void trainedTensorsTakeThePlaceOfOthers() throws IOException {
    MemoryCheckpoint base = base(1);
    try (MoeModel made = experts(base)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : made.tensors().tensors().keySet()) {
        Tensor tensor = made.tensors().read(name, WS);
        tensor.set(0, 5);
        tensors.put(name, tensor);
      }
      try (MoeModel trained = made.with(tensors)) {
        assertThat(trained.description()).isEqualTo(made.description());
        assertThat(trained.tensors().read("fc.experts.gate", WS).get(0)).isEqualTo(5);
        trained.requireBase(base, WS);
      }
      Map<String, Tensor> less =
          new LinkedHashMap<>(Map.of("fc.experts.A", Tensor.zeros(DType.F32, 3, 2, 4)));
      assertThatThrownBy(() -> made.with(less))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("no 'fc.experts.B', 'fc.experts.gate', 'fc.experts.scale'");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"arrow\" | \"arow\" | no router 'arow'; did you mean arrow?",
        "\"top_k\" : 2 | \"top_k\" : 4 | top-k is 4 of 3 experts",
        "\"top_k\" : 2 | \"top_k\" : 1.5 | 'top_k' is 1.5, no whole number",
        "\"top_k\" : 2 | \"top_k\" : \"2\" | 'top_k' is VALUE_STRING, expected a number",
        "\"version\" : 1 | \"version\" : 2 | version 2 of the format; this Merganser reads 1",
        "\"merganser-moe\" | \"moe\" | 'format' is 'moe', not 'merganser-moe'",
        "\"temperature\" : 0.0 | \"temperature\" : NaN | temperature must be finite",
        "\"experts\" | \"expert\" | the key 'expert' is not known here",
        "\"top_k\" : 2, | | no 'top_k'",
        "\"temperature\" : 0.0, | | no 'temperature'",
        "\"version\" : 1, | \"version\" : 1, \"base_included\" : 1, | 'base_included' is VALUE_NUMBER_INT, expected true or false",
        "\"c\" ] | ] | no valid JSON",
        "\"c\" ] | \"a\" ] | experts 1 and 3 are both named 'a'; each needs a name of its own",
      })
  void aWrongDescriptionIsNamed(String text, String other, String message) throws IOException {
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base(1))) {
      made.write(path, false, WS);
    }
    Path config = path.resolve("moe_config.json");
    String json = Files.readString(config);
    assertThat(json).contains(text);
    Files.writeString(config, json.replace(text, other == null ? "" : other));
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(config.toString())
        .hasMessageContaining(message);
  }

  @Test
  void whetherTheModelIsThereMustBeSaid() throws IOException {
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base(1))) {
      made.write(path, false, WS);
    }
    Path config = path.resolve("moe_config.json");
    String json = Files.readString(config);
    Files.writeString(config, json.replaceAll(",\\s*\"base_included\" : false", ""));
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessage(config + ": no 'base_included'");
  }

  /** Without them any model would do. */
  @Test
  void digestsOfTheModelMustBeThere() throws IOException {
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base(1))) {
      made.write(path, false, WS);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : made.tensors().tensors().keySet()) {
        tensors.put(name, made.tensors().read(name, WS));
      }
      try (MemoryCheckpoint bare = MemoryCheckpoint.of(tensors)) {
        Safetensors.write(bare, path.resolve("moe.safetensors"), WS);
      }
    }
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("moe.safetensors")
        .hasMessageContaining("no 'merganser.base' in its metadata");
  }

  /** Neither in one file nor in shards, and a model of experts alone leaves it as it is. */
  @ParameterizedTest
  @ValueSource(strings = {"model.safetensors", "model.safetensors.index.json"})
  void aModelThatLiesThereIsNotReplacedUnasked(String name) throws IOException {
    MemoryCheckpoint base = base(1);
    Path path = Files.createDirectories(folder.resolve("moe"));
    Path there = Files.writeString(path.resolve(name), "another");
    assertThat(MoeModel.weightsIn(path)).contains(there);
    try (MoeModel made = experts(base)) {
      Counted unread = new Counted(base);
      assertThatThrownBy(() -> made.write(path, unread, false, WS))
          .isInstanceOf(FileAlreadyExistsException.class)
          .hasMessageContaining("it holds " + name + "; name another folder, or replace it");
      assertThat(unread.elements()).isZero();
      assertThat(there).hasContent("another");
      assertThat(MoeModel.isIn(path)).isFalse();
      made.write(path, false, WS);
      assertThat(there).hasContent("another");
    }
  }

  /** Without the description, which is written last, they are nothing. */
  @Test
  void weightsOfARunThatWasKilledAreReplaced() throws IOException {
    Path path = Files.createDirectories(folder.resolve("moe"));
    Files.writeString(path.resolve("moe.safetensors"), "half");
    Path file = Files.writeString(folder.resolve("file"), "");
    try (MoeModel made = experts(base(1))) {
      made.write(path, false, WS);
      MoeModel.open(path).close();
      assertThatThrownBy(() -> made.write(file, false, WS))
          .isInstanceOf(FileAlreadyExistsException.class)
          .hasMessage(file + ": it is a file, and is to be a folder; name another");
    }
  }

  /** Weights of another model must not be left beside a description that vouches for them. */
  @Test
  void whatFailsLeavesNoModelOfExperts() throws IOException {
    MemoryCheckpoint base = base(1);
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base)) {
      made.write(path, base, false, WS);
      // What cannot be replaced by a file.
      Files.delete(path.resolve("model.safetensors"));
      Files.createDirectories(path.resolve("model.safetensors/in"));
      assertThatThrownBy(() -> made.write(path, base, true, WS)).isInstanceOf(IOException.class);
    }
    assertThat(MoeModel.isIn(path)).isFalse();
  }

  @Test
  void tensorsThatContradictTheDescriptionAreNamed() throws IOException {
    Path path = folder.resolve("moe");
    try (MoeModel made = experts(base(1))) {
      made.write(path, false, WS);
    }
    Path config = path.resolve("moe_config.json");
    String json = Files.readString(config);
    Files.writeString(config, json.replace(", \"c\" ]", " ]"));
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("no model of 2 experts")
        .hasMessageContaining(
            "'fc' has A F32 [3, 2, 4], B F32 [3, 6, 2], gates F32 [3, 4] and scales F64 [3], for 2"
                + " experts");
    Files.writeString(config, json);
    List<String> names = new ArrayList<>();
    try (Checkpoint tensors = Safetensors.open(path.resolve("moe.safetensors"))) {
      names.addAll(tensors.tensors().keySet());
      MemoryCheckpoint copy = MemoryCheckpoint.copyOf(tensors, WS);
      Safetensors.write(
          copy.renamed(Map.of("fc.experts.gate", "fc.gate")), path.resolve("moe.safetensors"), WS);
    }
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'fc.gate' is no tensor of experts");
    Files.delete(config);
    assertThatThrownBy(() -> MoeModel.open(path))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no model of experts: there is no moe_config.json in it");
  }
}
