// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.merganser.error.FormatException;
import org.merganser.io.ModelDirectory;

/** The vocabulary of a model: texts as token ids and back. Thread-safe. */
public interface TokenSource extends AutoCloseable {

  /**
   * Tokens of a text, without any that the model begins with. Control tokens that it names, such as
   * {@code <|im_start|>}, are those tokens.
   */
  int[] ids(String text);

  /** The text of tokens, control tokens included; bytes that are no UTF-8 become U+FFFD. */
  String text(int... ids);

  /** Number of tokens. */
  int size();

  /** The token that a text begins with, where the model has one and expects it. */
  OptionalInt beginning();

  /** The token that ends a text. */
  OptionalInt end();

  /** The same with the token that a text begins with. */
  default int[] withBeginning(String text) {
    return IntStream.concat(beginning().stream(), Arrays.stream(ids(text))).toArray();
  }

  /**
   * The vocabulary inside a GGUF file: byte-level BPE ({@code tokenizer.ggml.model = gpt2}) with
   * the splits of GPT-2, SmolLM2, Llama 3 or Qwen2 ({@code tokenizer.ggml.pre}). Where {@code
   * tokenizer.ggml.add_bos_token} is missing, texts have a beginning with the split of Llama 3
   * only, as in llama.cpp.
   *
   * @throws FormatException when the file has none, or one of another kind
   */
  static TokenSource ofGguf(Path file) throws IOException {
    try (ModelDirectory model = ModelDirectory.open(file)) {
      return ByteLevelBpe.of(
          file.toString(),
          model
              .tokens()
              .orElseThrow(
                  () -> new FormatException(file + ": no vocabulary (tokenizer.ggml.tokens)")),
          model.checkpoint().metadata());
    }
  }

  /** Many texts, one after the other: each with the token that ends a text, where there is one. */
  default int[] stream(List<String> texts) {
    return texts.stream()
        .flatMapToInt(text -> IntStream.concat(Arrays.stream(ids(text)), end().stream()))
        .toArray();
  }

  @Override
  default void close() {}
}
