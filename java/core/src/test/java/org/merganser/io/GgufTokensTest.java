// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.io.GgufBytes.floats;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.FormatException;
import org.merganser.io.ModelDirectory.Tokens;
import org.merganser.io.ModelDirectory.Tokens.Kind;
import org.merganser.testing.RunsOnce;

/** Tokens inside files of GGUF. */
@RunsOnce("reads headers, computes nothing")
class GgufTokensTest {
  private static final String KEY = "tokenizer.ggml.";

  @TempDir private Path folder;

  /** Every kind of token, merges and special ones, among other values. */
  static GgufBytes file() {
    return new GgufBytes()
        .value("general.architecture", "qwen3")
        .value(KEY + "model", "gpt2")
        .texts(KEY + "tokens", "<unk>", "<s>", "a", "\u0120b", "  ", "[PAD5]", "<0x0A>", "ab")
        .value("between", "others")
        .integers(KEY + "token_type", 2, 3, 1, 1, 4, 5, 6, 1)
        .texts(KEY + "merges", "a b", "\u0120 b")
        .value(KEY + "bos_token_id", 1)
        .value(KEY + "eos_token_id", 7)
        .value(KEY + "padding_token_id", -1)
        .tensor("token_embd.weight", 0, floats(0, 1, 2, 3, 4, 5, 6, 7), 1, 8);
  }

  private Tokens read(GgufBytes file) throws IOException {
    try (ModelDirectory model = ModelDirectory.open(file.write(folder.resolve("m.gguf")))) {
      return model.tokens().orElseThrow();
    }
  }

  @Test
  void tokensKindsMergesAndSpecialOnes() throws IOException {
    Tokens tokens = read(file());
    assertThat(tokens.model()).isEqualTo("gpt2");
    assertThat(tokens.texts())
        .containsExactly("<unk>", "<s>", "a", "\u0120b", "  ", "[PAD5]", "<0x0A>", "ab");
    assertThat(tokens.kinds())
        .containsExactly(
            Kind.UNKNOWN,
            Kind.CONTROL,
            Kind.NORMAL,
            Kind.NORMAL,
            Kind.USER_DEFINED,
            Kind.UNUSED,
            Kind.BYTE,
            Kind.NORMAL);
    assertThat(tokens.merges()).containsExactly("a b", "\u0120 b");
    // Padding has no id.
    assertThat(tokens.special()).isEqualTo(Map.of("bos", 1, "eos", 7));
    assertThat(tokens.isPadding(5)).isTrue();
    assertThat(tokens.isPadding(4)).isFalse();
  }

  @Test
  void blanksOfUsersAreThoseOfSentencePiece() throws IOException {
    GgufBytes file =
        new GgufBytes()
            .value(KEY + "model", "llama")
            .texts(KEY + "tokens", "\u2581a", "  ", " ")
            .integers(KEY + "token_type", 1, 4, 1);
    assertThat(read(file).texts()).containsExactly("\u2581a", "\u2581\u2581", " ");
  }

  @Test
  void filesWithoutTokensHaveNone() throws IOException {
    Path file = new GgufBytes().value(KEY + "model", "gpt2").write(folder.resolve("m.gguf"));
    try (ModelDirectory model = ModelDirectory.open(file)) {
      assertThat(model.tokens()).isEmpty();
    }
    try (ModelDirectory model = ModelDirectory.open(GgufBytes.fixture("llama.safetensors"))) {
      assertThat(model.tokens()).isEmpty();
    }
  }

  /** What gguf's package wrote; seen through another model, too. */
  @Test
  void thoseOfTheGgufPackage() throws IOException {
    try (ModelDirectory model = ModelDirectory.open(GgufBytes.fixture("llama.gguf"))) {
      List<String> texts = model.tokens().orElseThrow().texts();
      assertThat(texts).containsExactly("a", "ä", "");
      assertThat(model.with(model.checkpoint().where(name -> false)).tokens().orElseThrow().texts())
          .isEqualTo(texts);
    }
  }

  @Test
  void whatIsNoVocabularyIsRefused() {
    refused(
        new GgufBytes().integers(KEY + "tokens", 1), "tokenizer.ggml.tokens' must be an array of");
    refused(
        new GgufBytes().texts(KEY + "tokens", "a").texts(KEY + "token_type", "b"),
        "tokenizer.ggml.token_type' must be an array of integers");
    refused(
        new GgufBytes().texts(KEY + "tokens", "a").integers(KEY + "token_type", 1, 1),
        "token_type has 2 elements for 1 tokens");
    refused(
        new GgufBytes().texts(KEY + "tokens", "a").integers(KEY + "token_type", 7),
        "token 0 is of kind 7");
    refused(
        new GgufBytes().texts(KEY + "tokens", "a".repeat(1 << 16)), "one of the tokens of 65536");
  }

  private void refused(GgufBytes file, String message) {
    assertThatThrownBy(() -> read(file))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(message)
        .hasMessageContaining("m.gguf");
  }
}
