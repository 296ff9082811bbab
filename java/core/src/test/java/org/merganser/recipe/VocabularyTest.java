// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.GgufBytes;
import org.merganser.io.ModelDirectory;
import org.merganser.io.ShardedWriter;
import org.merganser.recipe.Recipe.Input;

/** Models of different vocabularies: rows go by token. */
class VocabularyTest {
  @TempDir Path folder;

  private TokenModels models;

  @BeforeEach
  void write() throws IOException {
    models = new TokenModels(folder);
  }

  @Test
  void theUnionHasTheRowsOfOwnersThenOfTheBaseThenOfTheOthers() throws IOException {
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(sum("union"), MergeJob.Options.defaults(), ws)) {
      // a b c d e: base + x + y; d is of x and y, so the base has their mean; e is y's everywhere.
      assertThat(rows(job.result(), ws))
          .containsExactly(
              10 + 2 + 10, 20 + 20 + 200, 30 + 1 + 30, 51.5f + 3 + 100, 300 + 300 + 300);
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(Vocabulary.read(out).orElseThrow().ids())
        .isEqualTo(Map.of("a", 0, "b", 1, "c", 2, "d", 3, "e", 4));
    // What a model says of a token that it added; d is an ordinary one of x.
    assertThat(Vocabulary.read(out).orElseThrow().flags())
        .isEqualTo(Map.of("d", Set.of("normalized"), "e", Set.of("special")));
    assertThat(Files.readString(out.resolve("config.json"))).contains("\"vocab_size\": 5");
  }

  @Test
  void thatOfTheBaseKeepsItsPadding() throws IOException {
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(sum("base"), MergeJob.Options.defaults(), ws)) {
      assertThat(rows(job.result(), ws)).containsExactly(22, 240, 61, 120);
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(out.resolve("tokenizer.json"))
        .hasSameBinaryContentAs(folder.resolve("base/tokenizer.json"));
  }

  @Test
  void thatOfAModelIsCopiedWithIt() throws IOException {
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job =
            MergeJob.open(sum(folder.resolve("y").toString()), MergeJob.Options.defaults(), ws)) {
      // d b e
      assertThat(rows(job.result(), ws)).containsExactly(154.5f, 240, 900);
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(out.resolve("tokenizer.json"))
        .hasSameBinaryContentAs(folder.resolve("y/tokenizer.json"));
  }

  @Test
  void withoutATokenizerSourceShapesMustBeTheSame() {
    try (Workspace ws = Workspace.open()) {
      assertThatThrownBy(() -> MergeJob.open(sum(null), MergeJob.Options.defaults(), ws))
          .hasMessageContaining(TokenModels.EMBEDDING);
    }
  }

  @Test
  void tokenizersThatAreNotUnderstoodAreRefused() throws IOException {
    Path file = folder.resolve("y/tokenizer.json");
    for (String text :
        new String[] {
          "{}",
          "[",
          "{\"model\":{\"vocab\":{\"a\":-1}}}",
          "{\"model\":{\"vocab\":{\"a\":1.5}}}",
          "{\"model\":{\"vocab\":{\"a\":99}}}",
          "{\"added_tokens\":[{\"id\":1}],\"model\":{\"vocab\":{\"a\":0}}}",
          "{\"added_tokens\":[{\"id\":1,\"content\":\"a\"}],\"model\":{\"vocab\":{\"a\":0}}}"
        }) {
      Files.writeString(file, text);
      try (Workspace ws = Workspace.open()) {
        assertThatThrownBy(() -> MergeJob.open(sum("union"), MergeJob.Options.defaults(), ws))
            .as(text)
            .isInstanceOf(RecipeException.class)
            .hasMessageStartingWith("tokenizer_source: ")
            .hasCauseInstanceOf(FormatException.class);
      }
    }
  }

  /** A model that shares its head with its embeddings has the rows of these to give. */
  @Test
  void unionsOfTiedAndUntiedEmbeddingsHaveHeads() throws IOException {
    models.write("x", "lm_head.weight", "{\"model\":{\"vocab\":{\"a\":0,\"d\":1}}}", 1, 2);
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(sum("union"), MergeJob.Options.defaults(), ws)) {
      // a b c d e
      float[] expected = {10 + 1 + 10, 20 + 20 + 200, 90, 51 + 2 + 100, 900};
      assertThat(rows(job.result(), ws)).containsExactly(expected);
      assertThat(TokenModels.rows(job.result(), "lm_head.weight", ws)).containsExactly(expected);
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(Files.readString(out.resolve("config.json")))
        .contains("\"tie_word_embeddings\": false");
  }

  /** Its tokens are inside: c 1, a 2, d 3, and a row of padding. */
  private Path gguf(String kind) throws IOException {
    return new GgufBytes()
        .value("general.architecture", "llama")
        .value("tokenizer.ggml.model", kind)
        .texts("tokenizer.ggml.tokens", "c", "a", "d", "[PAD3]")
        .integers("tokenizer.ggml.token_type", 1, 1, 3, 5)
        .tensor("token_embd.weight", 0, GgufBytes.floats(1, 2, 2, 4, 3, 6, 50, 100), 2, 4)
        .tensor("blk.0.attn_norm.weight", 0, GgufBytes.floats(0, 0, 0), 3)
        .write(folder.resolve("x.gguf"));
  }

  @Test
  void tokensInsideAFileOfGgufAreMatchedAsOthersAre() throws IOException {
    String file = gguf("gpt2").toString();
    Recipe recipe =
        Recipe.of("linear", Input.of(base()), Input.of(file), Input.of(model("y")))
            .withBase(base())
            .with("weight", 1)
            .with("normalize", false)
            .withTokenizerSource("union");
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      // As with x, which has the same tokens.
      assertThat(rows(job.result(), ws)).containsExactly(22, 240, 61, 154.5f, 900);
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(Vocabulary.read(out).orElseThrow().flags())
        .isEqualTo(Map.of("d", Set.of("special"), "e", Set.of("special")));
  }

  @Test
  void aVocabularyInsideAFileGivesNoTokenizer() throws IOException {
    String file = gguf("llama").toString();
    Recipe recipe =
        Recipe.of("linear", Input.of(base()), Input.of(file))
            .withBase(base())
            .with("weight", 1)
            .with("normalize", false);
    try (Workspace ws = Workspace.open();
        MergeJob job =
            MergeJob.open(recipe.withTokenizerSource(file), MergeJob.Options.defaults(), ws)) {
      // c a d; d is of x alone, and the row of padding is x's.
      assertThat(rows(job.result(), ws)).containsExactly(31, 12, 6, 100);
      assertThat(job.notes()).anyMatch(note -> note.contains("the result has no tokenizer"));
    }
  }

  @Test
  void aPlanSaysWhenTokensInsideAFileAreOthers() throws IOException {
    Recipe recipe =
        Recipe.of("linear", Input.of(base()), Input.of(gguf("gpt2").toString())).with("weight", 1);
    String differ = "tokenizers of " + base() + " and " + folder.resolve("x.gguf") + " differ";
    try (Workspace ws = Workspace.open()) {
      try (MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
        assertThat(job.notes()).anyMatch(note -> note.startsWith(differ));
      }
      Files.writeString(
          Path.of(base(), "tokenizer.json"), "{\"model\":{\"vocab\":{\"c\":0,\"a\":1,\"d\":2}}}");
      try (MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
        assertThat(job.notes()).noneMatch(note -> note.startsWith("tokenizers of"));
      }
    }
  }

  @Test
  void tokensThatAreNotUnderstoodAreRefused() throws IOException {
    assertThatThrownBy(() -> vocabulary(folder.resolve("x/model.safetensors")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("is a file without tokens; name a folder that has tokenizer.json");
    assertThatThrownBy(() -> vocabulary(gguf("bert")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(
            "has tokens for 'bert', whose texts are not those of tokenizer.json (read are [gpt2,"
                + " llama])");
    Path twice =
        new GgufBytes()
            .value("tokenizer.ggml.model", "gpt2")
            .texts("tokenizer.ggml.tokens", "a", "b", "a")
            .write(folder.resolve("twice.gguf"));
    assertThatThrownBy(() -> vocabulary(twice))
        .isInstanceOf(FormatException.class)
        .hasMessageEndingWith(": tokens 0 and 2 are both 'a'");
  }

  private static Vocabulary vocabulary(Path model) throws IOException {
    try (ModelDirectory opened = ModelDirectory.open(model)) {
      return Vocabulary.read(opened);
    }
  }

  private String base() {
    return model("base");
  }

  private String model(String name) {
    return models.path(name);
  }

  private Recipe sum(String source) {
    Recipe recipe = models.sum();
    return source == null ? recipe : recipe.withTokenizerSource(source);
  }

  private static float[] rows(Checkpoint model, Workspace ws) throws IOException {
    return TokenModels.rows(model, TokenModels.EMBEDDING, ws);
  }
}
