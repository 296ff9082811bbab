// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import org.merganser.error.FormatException;
import org.merganser.torch.transformer.TokenSource;

/**
 * The vocabulary of a folder of Hugging Face's layout: whatever {@code tokenizer.json} describes,
 * read by their library (through DJL). Thread-safe.
 */
public final class TokenizerFile implements TokenSource {
  private static final String FILE = "tokenizer.json";

  private final HuggingFaceTokenizer tokenizer;
  private final int size;
  private final OptionalInt beginning;
  private final OptionalInt end;

  static {
    // DJL looks for its maker's servers at each use and for other builds of its library otherwise.
    property("ai.djl.offline", "true");
    property("OPT_OUT_TRACKING", "true");
    // It logs through SLF4J, which warns of having nothing to log to.
    property("slf4j.internal.verbosity", "ERROR");
  }

  private TokenizerFile(
      HuggingFaceTokenizer tokenizer, int size, OptionalInt beginning, OptionalInt end) {
    this.tokenizer = tokenizer;
    this.size = size;
    this.beginning = beginning;
    this.end = end;
  }

  private static void property(String name, String value) {
    if (System.getProperty(name) == null) {
      System.setProperty(name, value);
    }
  }

  /**
   * The vocabulary of a model: {@code tokenizer.json} of a folder or itself, or that inside a GGUF
   * file.
   *
   * @throws FormatException when the file is none, or of a kind that is not read
   */
  public static TokenSource open(Path path) throws IOException {
    if (Files.isRegularFile(path) && !path.toString().endsWith(".json")) {
      return TokenSource.ofGguf(path);
    }
    Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
    if (!Files.isRegularFile(file)) {
      throw new FormatException(file + ": no such file; token ids come from " + FILE);
    }
    JsonNode json = json(file);
    HuggingFaceTokenizer tokenizer;
    try {
      tokenizer =
          HuggingFaceTokenizer.builder()
              .optTokenizerPath(file)
              .optAddSpecialTokens(false)
              .optTruncation(false)
              .optPadding(false)
              .build();
    } catch (RuntimeException e) {
      throw new FormatException(file + ": " + e.getMessage(), e);
    }
    Path config = file.resolveSibling("tokenizer_config.json");
    JsonNode settings = Files.exists(config) ? json(config) : new ObjectMapper().createObjectNode();
    return new TokenizerFile(
        tokenizer, size(json), first(file, tokenizer), end(settings.path("eos_token"), json));
  }

  private static JsonNode json(Path file) throws IOException {
    try {
      return new ObjectMapper().readTree(file.toFile());
    } catch (JsonProcessingException e) {
      throw new FormatException(file + ": " + e.getOriginalMessage(), e);
    }
  }

  /** One more than the largest id: models have rows for these at least. */
  private static int size(JsonNode json) {
    int largest = -1;
    for (JsonNode id : json.path("model").path("vocab")) {
      // Of WordPiece and BPE; Unigram has pairs of a text and its score, in order.
      largest = id.isInt() ? Math.max(largest, id.asInt()) : largest + 1;
    }
    for (JsonNode token : json.path("added_tokens")) {
      largest = Math.max(largest, token.path("id").asInt(-1));
    }
    return largest + 1;
  }

  /** The only token that its post-processor puts before a text, if any. */
  private static OptionalInt first(Path file, HuggingFaceTokenizer tokenizer) {
    long[] plain = tokenizer.encode("a", false, false).getIds();
    long[] whole = tokenizer.encode("a", true, false).getIds();
    for (int before = 0; before + plain.length <= whole.length; before++) {
      if (Arrays.equals(whole, before, before + plain.length, plain, 0, plain.length)) {
        if (before > 1) {
          throw new FormatException(
              "%s: %d tokens stand before a text (%s), one at most is read"
                  .formatted(file, before, Arrays.toString(Arrays.copyOf(whole, before))));
        }
        return before == 0 ? OptionalInt.empty() : OptionalInt.of(Math.toIntExact(whole[0]));
      }
    }
    throw new FormatException(
        "%s: with special tokens a text is %s, in which what it is without them, %s, does not stand"
            .formatted(file, Arrays.toString(whole), Arrays.toString(plain)));
  }

  /** A token as a text, or as an object with its content. */
  private static OptionalInt end(JsonNode token, JsonNode json) {
    String text = token.isObject() ? token.path("content").asText() : token.asText("");
    for (JsonNode added : json.path("added_tokens")) {
      if (!text.isEmpty() && added.path("content").asText().equals(text)) {
        return OptionalInt.of(added.path("id").asInt());
      }
    }
    JsonNode id = json.path("model").path("vocab").path(text);
    return id.isInt() ? OptionalInt.of(id.asInt()) : OptionalInt.empty();
  }

  @Override
  public int[] ids(String text) {
    return Arrays.stream(tokenizer.encode(text, false, false).getIds())
        .mapToInt(Math::toIntExact)
        .toArray();
  }

  @Override
  public String text(int... ids) {
    return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), false);
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public OptionalInt beginning() {
    return beginning;
  }

  @Override
  public OptionalInt end() {
    return end;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
