// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;
import org.merganser.io.ModelDirectory.Tokens;

/** Against the library tokenizers of Hugging Face; see fixtures/tokenizers/make.py. */
class TokenSourceTest {
  private static final Tokens ABC =
      new Tokens("gpt2", List.of("a", "b", "c"), List.of(), List.of(), Map.of("bos", 1));

  @TempDir Path temp;

  private static Path fixture(String name) {
    try {
      return Path.of(TokenSourceTest.class.getResource("/fixtures/tokenizers/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static TokenSource open(String pre) throws IOException {
    return TokenSource.ofGguf(fixture(pre + "/vocabulary.gguf"));
  }

  private record Line(String text, int[] ids) {
    static Line parse(String line) {
      int tab = line.lastIndexOf('\t');
      try (JsonParser json = new JsonFactory().createParser(line.substring(0, tab))) {
        json.nextToken();
        return new Line(
            json.getText(),
            Arrays.stream(line.substring(tab + 1).split(" "))
                .filter(id -> !id.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray());
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"smollm", "gpt-2", "llama-bpe", "qwen2"})
  void idsAreThoseOfTokenizers(String pre) throws IOException {
    try (TokenSource source = open(pre);
        Stream<String> lines = Files.lines(fixture(pre + "/ids.tsv"))) {
      List<Line> texts = lines.map(Line::parse).toList();
      assertThat(texts).hasSizeGreaterThan(20);
      for (Line line : texts) {
        assertThat(source.ids(line.text())).as("'%s'", line.text()).isEqualTo(line.ids());
        String back = source.text(line.ids());
        assertThat(back)
            .isEqualTo(
                pre.equals("qwen2")
                    ? Normalizer.normalize(line.text(), Normalizer.Form.NFC)
                    : line.text());
      }
    }
  }

  /** Data without blanks are one word: they must not take time that grows with the square. */
  @Test
  void longWords() throws IOException {
    try (TokenSource source = open("gpt-2")) {
      String word = "abcde".repeat(40_000);
      int[] ids = source.ids(word);
      assertThat(source.text(ids)).isEqualTo(word);
      int[] few = source.ids("abcde".repeat(400));
      assertThat(Arrays.copyOf(ids, 300)).isEqualTo(Arrays.copyOf(few, 300));
    }
  }

  @Test
  void specialTokens() throws IOException {
    try (TokenSource llama = open("llama-bpe");
        TokenSource gpt2 = open("gpt-2")) {
      assertThat(llama.beginning()).hasValue(1);
      assertThat(llama.end()).hasValue(2);
      assertThat(llama.size()).isEqualTo(400);
      assertThat(gpt2.beginning()).isEmpty();
      int[] words = gpt2.ids("a b");
      assertThat(gpt2.withBeginning("a b")).isEqualTo(words);
      assertThat(llama.withBeginning("a b")[0]).isEqualTo(1);
      assertThat(gpt2.stream(List.of("a", "a")))
          .containsExactly(gpt2.ids("a")[0], 2, gpt2.ids("a")[0], 2);
    }
  }

  /** As llama.cpp has it; what the file says counts more. */
  @ParameterizedTest
  @CsvSource({
    "llama-bpe, true, 1",
    "llama-bpe, false, ",
    "llama-bpe, , 1",
    "qwen2, true, 1",
    "qwen2, false, ",
    "qwen2, , ",
    "gpt-2, , ",
    "smollm, , "
  })
  void textsBeginAsTheFileSaysOrTheSplit(String pre, String said, Integer beginning) {
    Map<String, String> metadata = new HashMap<>(Map.of("tokenizer.ggml.pre", pre));
    if (said != null) {
      metadata.put("tokenizer.ggml.add_bos_token", said);
    }
    OptionalInt found = ByteLevelBpe.of("vocabulary", ABC, metadata).beginning();
    assertThat(found.stream().boxed().toList())
        .isEqualTo(beginning == null ? List.of() : List.of(beginning));
  }

  @Test
  void aFileThatDoesNotSayHowWordsAreDividedIsRefused() {
    assertThatThrownBy(() -> ByteLevelBpe.of("some.gguf", ABC, Map.of()))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            "some.gguf: there is no tokenizer.ggml.pre, which says how texts are divided into"
                + " words; add it (gpt-2, smollm, llama-bpe, qwen2) or give a folder with"
                + " tokenizer.json");
  }

  @Test
  void whatIsNotReadIsNamed() throws IOException {
    assertThatThrownBy(() -> replaced("smollm", "tekken"))
        .isInstanceOf(FormatException.class)
        .hasMessageEndingWith(
            "tokenizer.ggml.pre is 'tekken', known are gpt-2, smollm, llama-bpe, qwen2; give a"
                + " folder with tokenizer.json");
    assertThatThrownBy(() -> replaced("gpt2", "bert"))
        .isInstanceOf(FormatException.class)
        .hasMessageEndingWith(
            "tokenizer.ggml.model is 'bert', only byte-level BPE (gpt2) is read; give a folder"
                + " with tokenizer.json");
    try (TokenSource source = open("smollm")) {
      assertThatThrownBy(() -> source.text(400))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("there is no token 400; they are 0..399");
    }
  }

  /** The vocabulary with the first text of the metadata that is one thing turned into another. */
  private TokenSource replaced(String one, String other) throws IOException {
    String bytes =
        new String(
            Files.readAllBytes(fixture("smollm/vocabulary.gguf")), StandardCharsets.ISO_8859_1);
    Path file = temp.resolve("vocabulary.gguf");
    int at = bytes.indexOf((char) one.length() + "\0\0\0\0\0\0\0" + one);
    assertThat(at).isPositive();
    Files.write(
        file,
        (bytes.substring(0, at + 8) + other + bytes.substring(at + 8 + one.length()))
            .getBytes(StandardCharsets.ISO_8859_1));
    return TokenSource.ofGguf(file);
  }
}
