// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;
import org.merganser.testing.RunsOnce;

@RunsOnce("looks for files, computes nothing")
class ModelStoreTest {
  private static final String OLD = "1111111111111111111111111111111111111111";
  private static final String NEW = "2222222222222222222222222222222222222222";

  @TempDir private Path root;
  private ModelStore store;

  @BeforeEach
  void layOut() throws IOException {
    for (String folder :
        List.of(
            "models/org/plain",
            "models/org__flat",
            "models/org/plain@v2",
            "models/models--org--moved/snapshots/" + NEW,
            "cache/models--org--cached/snapshots/" + OLD,
            "cache/models--org--cached/snapshots/" + NEW,
            "cache/models--org--cached/refs/refs/pr",
            "cache/models--gpt2/snapshots/" + OLD,
            "cache/models--gpt2/refs")) {
      Files.createDirectories(root.resolve(folder));
    }
    Path refs = root.resolve("cache/models--org--cached/refs");
    Files.writeString(refs.resolve("main"), NEW);
    Files.writeString(refs.resolve("v1"), OLD + "\n");
    Files.writeString(refs.resolve("gone"), "3".repeat(40));
    Files.writeString(refs.resolve("bad"), "../../elsewhere");
    Files.writeString(refs.resolve("refs/pr/1"), OLD);
    Files.writeString(root.resolve("cache/models--gpt2/refs/main"), OLD);
    store = new ModelStore(List.of(root.resolve("models")), List.of(root.resolve("cache")));
  }

  @ParameterizedTest
  @CsvSource({
    "org/plain, models/org/plain",
    "org/plain@v2, models/org/plain@v2",
    "org/flat, models/org__flat",
    "org/moved@" + NEW + ", models/models--org--moved/snapshots/" + NEW,
    "org/cached, cache/models--org--cached/snapshots/" + NEW,
    "org/cached@main, cache/models--org--cached/snapshots/" + NEW,
    "org/cached@v1, cache/models--org--cached/snapshots/" + OLD,
    "org/cached@refs/pr/1, cache/models--org--cached/snapshots/" + OLD,
    "org/cached@" + OLD + ", cache/models--org--cached/snapshots/" + OLD,
    "gpt2, cache/models--gpt2/snapshots/" + OLD,
  })
  void found(String reference, String expected) throws IOException {
    assertThat(store.resolve(ModelReference.parse(reference))).isEqualTo(root.resolve(expected));
    assertThat(store.resolve(ModelReference.parse(reference + "+org/adapter")))
        .isEqualTo(root.resolve(expected));
  }

  @Test
  void aPathIsTakenFirst() throws IOException {
    Path file = Files.createFile(root.resolve("m.safetensors"));
    assertThat(store.resolve(ModelReference.parse(file.toString()))).isEqualTo(file);
  }

  @Test
  void theMessageListsThePlacesAndTheRemedy() {
    assertThatThrownBy(() -> store.resolve(ModelReference.parse("org/none@v9+org/adapter")))
        .isInstanceOf(IOException.class)
        .hasMessage(
            "no model 'org/none@v9' on this machine; looked at"
                + ("\n  R/models/org/none@v9\n  R/models/org__none@v9"
                        + "\n  R/models/models--org--none\n  R/cache/models--org--none")
                    .replace("R", root.toString())
                + "\nnothing is fetched here: run 'hf download org/none --revision v9'"
                + " (huggingface-cli download, in older versions), or name the folder that holds"
                + " it under its name (--models DIR)");
  }

  @Test
  void aSnapshotWithoutItsName() {
    assertThatThrownBy(() -> store.resolve(ModelReference.parse("org/moved")))
        .hasMessageContaining("models--org--moved, which has no refs/main; snapshots that are: [2");
    assertThatThrownBy(() -> store.resolve(ModelReference.parse("org/cached@gone")))
        .hasMessageContaining("whose refs/gone names the snapshot 3333");
  }

  @Test
  void noPathOutOfACache() throws IOException {
    Files.createDirectories(root.resolve("cache/models--org--cached/elsewhere"));
    assertThatThrownBy(() -> store.resolve(ModelReference.parse("org/cached@bad")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("refs/bad: holds no commit but '../../elsewhere'");
  }

  @ParameterizedTest
  @ValueSource(strings = {"org/cached@../elsewhere", "org/cached@/etc", "org/cached@..", "../m@v1"})
  void noRevisionOutOfACache(String reference) throws IOException {
    Files.createDirectories(root.resolve("cache/models--org--cached/elsewhere"));
    assertThatThrownBy(() -> store.resolve(ModelReference.parse(reference)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("on this machine");
  }

  @Test
  void aMissingPath() {
    assertThatThrownBy(() -> store.resolve(ModelReference.parse(root + "/none")))
        .hasMessage(
            "no model '"
                + root
                + "/none' on this machine; looked at\n  "
                + root
                + "/none\nname a file or folder that is there");
    assertThatThrownBy(() -> store.resolve(ModelReference.parse(root + "/models/org/plain@v1")))
        .hasMessageContaining("a path has no revision; name it without @v1");
  }

  @Test
  void whereTheCacheIs() {
    Path home = Path.of("/home/me");
    assertThat(ModelStore.cache(Map.of(), home))
        .containsExactly(Path.of("/home/me/.cache/huggingface/hub"));
    assertThat(ModelStore.cache(Map.of("XDG_CACHE_HOME", "/c"), home))
        .containsExactly(Path.of("/c/huggingface/hub"));
    assertThat(ModelStore.cache(Map.of("HF_HOME", "~/hf", "XDG_CACHE_HOME", "/c"), home))
        .containsExactly(Path.of("/home/me/hf/hub"));
    assertThat(ModelStore.cache(Map.of("HF_HUB_CACHE", "/h", "HF_HOME", "/hf"), home))
        .containsExactly(Path.of("/h"));
  }
}
