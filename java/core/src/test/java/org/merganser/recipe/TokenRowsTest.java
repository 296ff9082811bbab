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
import org.merganser.error.RecipeException;
import org.merganser.io.ShardedWriter;
import org.merganser.recipe.Tokenizer.Row;

/** Rows of embeddings that a recipe sets: of single tokens, and padding. */
class TokenRowsTest {
  @TempDir Path folder;
  private TokenModels models;

  @BeforeEach
  void write() throws IOException {
    models = new TokenModels(folder);
  }

  private float[] rows(Tokenizer tokenizer) throws IOException {
    try (Workspace ws = Workspace.open();
        MergeJob job =
            MergeJob.open(models.sum().withTokenizer(tokenizer), MergeJob.Options.defaults(), ws)) {
      return TokenModels.rows(job.result(), TokenModels.EMBEDDING, ws);
    }
  }

  /** Without, a is 10 + 2 + 10, b 20 + 20 + 200, c 30 + 1 + 30, and 40 the padding. */
  @Test
  void modelsWithoutATokenGetTheRowThatIsAsked() throws IOException {
    Tokenizer base = Tokenizer.of("base");
    assertThat(rows(base)).containsExactly(22, 240, 61, 120);
    // Only y has no a.
    assertThat(rows(base.with("a", Row.zero()))).containsExactly(12, 240, 61, 120);
    assertThat(rows(base.with("a", Row.of(models.path("x"))))).containsExactly(14, 240, 61, 120);
    assertThat(rows(base.with("a", Row.of(models.path("y"), "e"))))
        .containsExactly(312, 240, 61, 120);
    assertThat(rows(base.with("a", Row.of(models.path("y"), 1))))
        .containsExactly(212, 240, 61, 120);
    // In all.
    assertThat(rows(base.with("a", Row.of(models.path("x")).forced())))
        .containsExactly(6, 240, 61, 120);
    assertThat(rows(base.with("a", Row.zero().forced()))).containsExactly(0, 240, 61, 120);
  }

  @Test
  void newTokensAreAddedToTheTokenizer() throws IOException {
    Tokenizer tokenizer =
        Tokenizer.of("base")
            .with("new", Row.of(models.path("base"), "b"))
            .with("d", Row.of(models.path("x")))
            .paddedTo(4);
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job =
            MergeJob.open(models.sum().withTokenizer(tokenizer), MergeJob.Options.defaults(), ws)) {
      // a b c new d; x and y have a d. The mean is that of each model.
      float[] found = TokenModels.rows(job.result(), TokenModels.EMBEDDING, ws);
      float mean = (22 + 240 + 61 + 60 + 106) / 5f;
      assertThat(found).startsWith(22, 240, 61, 60, 106).hasSize(8);
      for (int row = 5; row < 8; row++) {
        assertThat(found[row]).isCloseTo(mean, org.assertj.core.data.Offset.offset(1e-4f));
      }
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    Vocabulary written = Vocabulary.read(out).orElseThrow();
    assertThat(written.ids()).isEqualTo(Map.of("a", 0, "b", 1, "c", 2, "new", 3, "d", 4));
    assertThat(written.flags())
        .isEqualTo(Map.of("new", Set.of("normalized"), "d", Set.of("normalized")));
    assertThat(Files.readString(out.resolve("config.json"))).contains("\"vocab_size\": 8");
  }

  /** The owner's padding stays, and is in no mean. */
  @Test
  void paddingIsTheMeanOfTokens() throws IOException {
    assertThat(rows(Tokenizer.of("base").paddedTo(4))).containsExactly(22, 240, 61, 120);
    float[] found = rows(Tokenizer.of("base").paddedTo(5));
    assertThat(found).startsWith(22, 240, 61, 120).hasSize(5);
    assertThat(found[4])
        .isCloseTo((22 + 240 + 61) / 3f, org.assertj.core.data.Offset.offset(1e-4f));
  }

  @Test
  void rowsThatAreNotThereAreRefused() {
    refused("b", Row.of("z"), "'z' is no model of the recipe");
    refused("c", Row.of(models.path("y")), "y has no token 'c'");
    refused("c", Row.of(models.path("y"), "f"), "y has no token 'f'");
    refused("c", Row.of(models.path("y"), 3), "token_id 3: " + models.path("y") + " has 3 rows");
    assertThatThrownBy(() -> Tokenizer.of("base").paddedTo(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rows must be a multiple of 1 to 1048576, not of 0");
  }

  private void refused(String token, Row row, String message) {
    assertThatThrownBy(() -> rows(Tokenizer.of("base").with(token, row)))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("tokenizer.tokens." + token + ".source: ")
        .hasMessageContaining(message);
  }
}
