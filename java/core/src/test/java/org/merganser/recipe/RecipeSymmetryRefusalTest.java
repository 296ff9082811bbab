// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.recipe.SymmetryModels.CONFIG;
import static org.merganser.recipe.SymmetryModels.random;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Input;
import org.merganser.transformer.TransformerConfig;

/** Transfers that cannot be: settings, models of other structure, tokenizers that do not match. */
class RecipeSymmetryRefusalTest {
  @TempDir Path folder;

  private final Workspace ws = Workspace.builder().threads(1).open();
  private SymmetryModels models;

  @BeforeEach
  void open() {
    models = new SymmetryModels(folder, ws);
  }

  @AfterEach
  void close() {
    ws.close();
  }

  @Test
  void whatCannotBeIsRefusedAtItsPlace() throws IOException {
    models.write();
    Recipe recipe = models.recipe();
    models.refused(
        recipe.withAlign(Align.of("symmetry")),
        "align: symmetry moves what models learned since another one; name that with from: MODEL");
    models.refused(
        recipe.withAlign(Align.of("symmetry", "acts").withFrom(models.path("base"))),
        "align: symmetries of transformers follow from config.json and weights");
    models.refused(
        recipe.withAlign(Align.of("symmetry:residul=none").withFrom(models.path("base"))),
        "align.method: symmetry has no setting 'residul'; it has source, residual");
    models.refused(
        recipe.withAlign(models.align().withFrom(models.path("target"))),
        "align.from: " + models.path("target") + " is what is added to, so nothing would move");
    models.refused(
        recipe.withAlign(models.align().withFrom("nowhere/x")), "align.from: no model 'nowhere/x'");
    models.refused(
        recipe.withTokenizerSource("base"),
        "align: symmetry matches rows of embeddings by token and keeps those of");
    models.refused(
        Recipe.of("linear", Input.of(models.path("target")).with("weight", 1))
            .withAlign(Align.of("identity").withFrom(models.path("base"))),
        "align.from: is for the method symmetry, not for identity");
    Recipe slices =
        Recipe.of("passthrough", Recipe.Slice.of(Input.of(models.path("target"), 0, 2)))
            .withAlign(models.align());
    models.refused(slices, "align: whole models are aligned; write models, not slices");
  }

  @Test
  void modelsOfOtherStructureAreRefusedNamingBoth() throws IOException {
    models.write();
    TransformerConfig other = CONFIG.with("epsilon", 1e-6).with("intermediate", 14);
    models.write("other", other, random(other, 5), "a", "b", "c", "d");
    assertThatThrownBy(
            () ->
                MergeJob.open(
                    SkillTransfer.recipe(
                        models.path("target"), models.path("other"), models.path("base"), 1, ""),
                    MergeJob.Options.defaults(),
                    ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(
            "intermediate: 12 in " + models.path("target") + ", 14 in " + models.path("other"))
        .hasMessageContaining("epsilon: 1.0E-5 in");
    Files.delete(folder.resolve("skill/config.json"));
    assertThatThrownBy(() -> MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(models.path("skill") + " has no config.json; name a folder");
  }

  @Test
  void withoutTokenizersRowsGoByTheirNumber() throws IOException {
    models.write();
    for (String name : List.of("target", "base", "skill")) {
      Files.delete(folder.resolve(name).resolve("tokenizer.json"));
    }
    assertThatThrownBy(() -> MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("has 5 rows of embeddings")
        .hasMessageContaining("cannot be matched by token: " + models.path("target"));
    for (String name : List.of("base", "skill")) {
      models.write(name, CONFIG, random(CONFIG, 7));
    }
    try (MergeJob job = MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws)) {
      assertThat(job.notes())
          .anyMatch(note -> note.contains("rows of embeddings are matched by their numbers"));
    }
  }

  /** Rows by number are for models of which none has a tokenizer. */
  @ParameterizedTest
  @ValueSource(strings = {"target", "base", "skill"})
  void aTokenizerThatIsDamagedOrMissingInOneModelIsRefused(String name) throws IOException {
    for (String each : List.of("target", "base", "skill")) {
      models.write(each, CONFIG, random(CONFIG, 7), "a", "b", "c", "d");
    }
    Path file = folder.resolve(name).resolve("tokenizer.json");
    String whole = Files.readString(file);
    for (String damaged :
        List.of(
            whole.substring(0, whole.length() / 2), "{}", whole.replace("\"b\":1", "\"b\":-1"))) {
      Files.writeString(file, damaged);
      assertThatThrownBy(() -> MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(models.path(name));
    }
    Files.delete(file);
    assertThatThrownBy(() -> MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("only some of the models have a tokenizer")
        .hasMessageContaining(models.path(name) + " has neither tokenizer.json nor vocab.json");
  }
}
