// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;
import org.merganser.torch.transformer.TokenSource;

/** With the vocabularies of the tests of merganser-torch; see make.py there. */
class TokenizerFileTest {
  private static final Path FIXTURES =
      Path.of("..", "torch", "src", "test", "resources", "fixtures", "tokenizers");

  /** What random texts are made of, with much that the rules of words divide. */
  private static final String[] PIECES = {
    "the",
    "quick",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "'s",
    "'LL",
    "12",
    "3",
    "é",
    "e\u0301",
    "ß",
    "世",
    "😀",
    "\u00a0",
    "\u3000",
    "²",
    "Ⅳ",
    "_",
    "!?",
    "<|im_end|>",
    "<|im",
    "A",
    "ع",
    "\u200d"
  };

  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(strings = {"smollm", "gpt-2", "llama-bpe", "qwen2"})
  void itGivesTheIdsOfItsLibrary(String kind) throws IOException {
    try (TokenSource source = TokenizerFile.open(FIXTURES.resolve(kind));
        Stream<String> lines = Files.lines(FIXTURES.resolve(kind + "/ids.tsv"))) {
      assertThat(source.size()).isEqualTo(400);
      for (String line : lines.toList()) {
        int tab = line.lastIndexOf('\t');
        String text = new ObjectMapper().readValue(line.substring(0, tab), String.class);
        int[] ids =
            Arrays.stream(line.substring(tab + 1).split(" "))
                .filter(id -> !id.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        assertThat(source.ids(text)).as("'%s'", text).isEqualTo(ids);
      }
    }
  }

  /** The same vocabulary, once in tokenizer.json and once in GGUF. */
  @ParameterizedTest
  @ValueSource(strings = {"smollm", "gpt-2", "llama-bpe", "qwen2"})
  void bothReadersAgreeOnRandomTexts(String kind) throws IOException {
    SplittableRandom random = new SplittableRandom(kind.hashCode());
    try (TokenSource file = TokenizerFile.open(FIXTURES.resolve(kind + "/tokenizer.json"));
        TokenSource gguf = TokenizerFile.open(FIXTURES.resolve(kind + "/vocabulary.gguf"))) {
      for (int i = 0; i < 300; i++) {
        StringBuilder text = new StringBuilder();
        for (int n = random.nextInt(12); n >= 0; n--) {
          text.append(PIECES[random.nextInt(PIECES.length)]);
        }
        int[] ids = file.ids(text.toString());
        assertThat(gguf.ids(text.toString())).as("'%s'", text).isEqualTo(ids);
        assertThat(gguf.text(ids)).isEqualTo(file.text(ids));
      }
    }
  }

  @Test
  void whereATextBeginsAndEnds() throws IOException {
    template("<|im_start|>", null);
    Files.writeString(
        temp.resolve("tokenizer_config.json"), "{\"eos_token\":{\"content\":\"<|im_end|>\"}}");
    try (TokenSource source = TokenizerFile.open(temp)) {
      assertThat(source.beginning()).hasValue(1);
      assertThat(source.end()).hasValue(2);
      int[] plain = source.ids("a");
      assertThat(source.withBeginning("a")).containsExactly(1, plain[0]);
    }
    try (TokenSource source = TokenizerFile.open(FIXTURES.resolve("gpt-2"))) {
      assertThat(source.beginning()).isEmpty();
      assertThat(source.end()).isEmpty();
    }
  }

  /** As T5 does, and as BERT does. */
  @Test
  void whatOnlyFollowsATextIsNoBeginning() throws IOException {
    template(null, "<|im_end|>");
    try (TokenSource source = TokenizerFile.open(temp)) {
      assertThat(source.beginning()).isEmpty();
    }
    template("<|im_start|>", null, "<|im_end|>");
    try (TokenSource source = TokenizerFile.open(temp)) {
      assertThat(source.beginning()).hasValue(1);
    }
    template("<|im_start|>", "<|im_end|>", null);
    assertThatThrownBy(() -> TokenizerFile.open(temp))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            temp.resolve("tokenizer.json")
                + ": 2 tokens stand before a text ([1, 2]), one at most is read");
  }

  /**
   * GPT-2's vocabulary with a template.
   *
   * @param parts special tokens, and null for the text
   */
  private void template(String... parts) throws IOException {
    String json = Files.readString(FIXTURES.resolve("gpt-2/tokenizer.json"));
    assertThat(json).contains("\"post_processor\":null");
    String single =
        Arrays.stream(parts)
            .map(
                part ->
                    part == null
                        ? "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
                        : "{\"SpecialToken\":{\"id\":\"" + part + "\",\"type_id\":0}}")
            .collect(Collectors.joining(","));
    String special =
        Stream.of("<|im_start|>", "<|im_end|>")
            .map(
                token ->
                    "\"%s\":{\"id\":\"%s\",\"ids\":[%d],\"tokens\":[\"%s\"]}"
                        .formatted(token, token, token.contains("start") ? 1 : 2, token))
            .collect(Collectors.joining(","));
    String template =
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
            + single
            + "],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\","
            + "\"type_id\":1}}],\"special_tokens\":{"
            + special
            + "}}";
    Files.writeString(
        temp.resolve("tokenizer.json"), json.replace("\"post_processor\":null", template));
  }

  @Test
  void whatIsNoTokenizerIsNamed() throws IOException {
    assertThatThrownBy(() -> TokenizerFile.open(temp))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            temp.resolve("tokenizer.json") + ": no such file; token ids come from tokenizer.json");
    Path file = Files.writeString(temp.resolve("tokenizer.json"), "{\"version\":");
    assertThatThrownBy(() -> TokenizerFile.open(temp))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ");
    Files.writeString(file, "{\"version\":\"1.0\"}");
    assertThatThrownBy(() -> TokenizerFile.open(temp))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ");
  }
}
