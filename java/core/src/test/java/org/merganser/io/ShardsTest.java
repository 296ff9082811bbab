// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.linalg.Tensor;

/** Checkpoints in several files, in the layout of Hugging Face. */
class ShardsTest {
  private final Workspace ws = Workspace.open();

  @TempDir Path folder;

  @AfterEach
  void close() {
    ws.close();
  }

  @Test
  void aFolderOfShardsReadsAsOneCheckpoint() throws IOException {
    Safetensors.writeFolder(model(), folder, 100, ws);
    assertThat(names())
        .containsExactly(
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json");
    for (Path path : List.of(folder, folder.resolve("model.safetensors.index.json"))) {
      try (Checkpoint read = Safetensors.open(path)) {
        assertThat(read.tensors().keySet()).containsExactlyInAnyOrder("a", "b", "c", "d");
        assertThat(read.metadata()).containsEntry("format", "pt");
        for (int i = 0; i < 4; i++) {
          assertThat(read.read("abcd".substring(i, i + 1), ws).get(3)).isEqualTo(i);
        }
        Tensor rows = Tensor.allocate(read.info("b").dtype(), 2, 4);
        read.readRows("b", 1, 3, rows, ws);
        assertThat(rows.get(7)).isEqualTo(1);
      }
    }
  }

  @Test
  void whatFitsIsOneFile() throws IOException {
    Safetensors.writeFolder(model(), folder, 1000, ws);
    assertThat(names()).containsExactly("model.safetensors");
    try (Checkpoint read = Safetensors.open(folder)) {
      assertThat(read.tensors()).hasSize(4);
    }
  }

  @Test
  void aMissingShardIsNamed() throws IOException {
    Safetensors.writeFolder(model(), folder, 100, ws);
    Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(IOException.class)
        .hasMessage(
            folder.resolve("model.safetensors.index.json")
                + " names the shard model-00002-of-00002.safetensors, which is not there; fetch"
                + " it, or the whole folder, again");
  }

  @Test
  void aTensorTheShardLacksIsNamed() throws IOException {
    Safetensors.writeFolder(model(), folder, 100, ws);
    index(
        "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
            + " \"z\": \"model-00001-of-00002.safetensors\"}}");
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(
            "shard model-00001-of-00002.safetensors: no tensor 'z' (nearest of 2: a, b)");
  }

  @Test
  void aTensorInTwoShardsIsRefused() throws IOException {
    Safetensors.writeFolder(model(), folder, 100, ws);
    index(
        "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\","
            + " \"b\": \"model-00002-of-00002.safetensors\"}}");
    Files.copy(
        folder.resolve("model-00001-of-00002.safetensors"),
        folder.resolve("model-00002-of-00002.safetensors"),
        StandardCopyOption.REPLACE_EXISTING);
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("tensor 'a' is in two shards, model-00001-of-00002.safetensors and");
  }

  @ParameterizedTest
  @ValueSource(strings = {"../x.safetensors", "/x.safetensors", "a/b.safetensors", "..", ".", ""})
  void anIndexCannotPointOutOfItsFolder(String file) throws IOException {
    index("{\"weight_map\": {\"a\": \"" + file + "\"}}");
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            folder.resolve("model.safetensors.index.json")
                + ": weight_map 'a' is '"
                + file
                + "', not the bare name of a file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{}",
        "{\"weight_map\": []}",
        "{\"weight_map\": {}}",
        "{\"weight_map\": {\"a\": 1}}",
        "{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}",
        "{\"weight_map\": {\"a\": \"x\""
      })
  void aDamagedIndexIsRefused(String json) throws IOException {
    index(json);
    assertThatThrownBy(() -> Safetensors.open(folder)).isInstanceOf(FormatException.class);
  }

  @Test
  void aFolderWithoutACheckpointSaysWhatItHolds() throws IOException {
    Files.createFile(folder.resolve("model.pt"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(IOException.class)
        .hasMessage(
            "folder "
                + folder
                + " holds no model.safetensors.index.json, no model.safetensors, and no .safetensors"
                + " file; it holds files of torch.save, name one of [model.pt]");
  }

  private void index(String json) throws IOException {
    Files.writeString(folder.resolve("model.safetensors.index.json"), json);
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  /** Four tensors of 48 bytes, filled with their number. */
  private static Checkpoint model() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int i = 0; i < 4; i++) {
      float[] values = new float[12];
      Arrays.fill(values, i);
      tensors.put("abcd".substring(i, i + 1), Tensor.of(values, 3, 4));
    }
    return MemoryCheckpoint.of(tensors);
  }
}
