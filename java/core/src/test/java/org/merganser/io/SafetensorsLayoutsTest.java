// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.FolderWriterProgram.model;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders as other programs lay them out: read, or named with what to do. */
class SafetensorsLayoutsTest {
  private static final String BEGINNING =
      " holds no model.safetensors.index.json, no model.safetensors, and ";

  @TempDir Path folder;

  private void assertReads(Path path) throws IOException {
    try (Checkpoint read = Safetensors.open(path)) {
      assertThat(read.tensors().keySet()).containsExactlyInAnyOrder("t0", "t1", "t2", "t3");
      assertThat(read.read("t3", WS).get(5)).isEqualTo(1);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "diffusion_pytorch_model.safetensors.index.json",
        "pytorch_model.safetensors.index.json",
        "model.safetensors.index.fp16.json"
      })
  void anIndexOfAnotherName(String name) throws IOException {
    Safetensors.writeFolder(model(1), folder, 4096, WS);
    Path index = folder.resolve("model.safetensors.index.json");
    Files.move(index, folder.resolve(name));
    assertReads(folder);
    assertReads(folder.resolve(name));
    assertThat(Safetensors.files(folder))
        .containsExactlyInAnyOrder(
            folder.resolve(name),
            folder.resolve("model-00001-of-00002.safetensors"),
            folder.resolve("model-00002-of-00002.safetensors"));
    Files.copy(folder.resolve(name), folder.resolve("other.safetensors.index.json"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessageContaining("several indices, name one of [")
        .hasMessageContaining(name);
  }

  @Test
  void anIndexWithAByteOrderMark() throws IOException {
    Safetensors.writeFolder(model(1), folder, 4096, WS);
    Path index = folder.resolve("model.safetensors.index.json");
    Files.writeString(index, "\ufeff" + Files.readString(index));
    assertReads(folder);
  }

  @Test
  void shardsWithoutAnIndex() throws IOException {
    Safetensors.writeFolder(model(1), folder, 2048, WS);
    Files.delete(folder.resolve("model.safetensors.index.json"));
    assertReads(folder);
    Path third = folder.resolve("model-00003-of-00004.safetensors");
    Path aside = Files.move(third, folder.resolve("aside"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessage(
            "folder "
                + folder
                + BEGINNING
                + "shards without an index, of which model-00003-of-00004.safetensors is not there");
    Files.move(aside, folder.resolve("else.safetensors"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessageContaining("several .safetensors files, name one of [else.safetensors, model-");
  }

  @Test
  void foldersOfFolders() throws IOException {
    Path snapshot = folder.resolve("models--x").resolve("snapshots").resolve("abc");
    Safetensors.writeFolder(model(1), snapshot, 1 << 20, WS);
    assertReads(snapshot);
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessage(
            "folder "
                + folder
                + BEGINNING
                + "no .safetensors file; folders in it do, name one of ["
                + snapshot
                + "]");
  }

  /** Its name, and no folder above it in the path. */
  @Test
  void anEmptyFolderThatIsCalledLikeAFile() throws IOException {
    Path empty = Files.createTempDirectory(Path.of(""), "empty");
    Path called = Files.move(empty, Path.of(empty + ".safetensors"));
    try {
      assertThatThrownBy(() -> Safetensors.open(called))
          .isInstanceOf(IOException.class)
          .hasMessage("folder " + called + BEGINNING + "no .safetensors file");
    } finally {
      Files.delete(called);
    }
  }
}
