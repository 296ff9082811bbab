// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.recipe.SymmetryModels.CONFIG;
import static org.merganser.recipe.SymmetryModels.EMBEDDING;
import static org.merganser.recipe.SymmetryModels.HEAD;
import static org.merganser.recipe.SymmetryModels.random;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.transformer.TransformerConfig;

/** Transfers as recipes: models in folders, of vocabularies of their own. */
class RecipeSymmetryTest {
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
  void rowsGoByTokenAndTheRestBySymmetry() throws IOException {
    Map<String, double[]> expected = models.write();
    Path out = folder.resolve("out");
    try (MergeJob job = MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws)) {
      assertThat(job.result().info(EMBEDDING).shape()).containsExactly(5L, 8L);
      for (String name : expected.keySet()) {
        try (Tensor found = job.result().read(name, ws)) {
          assertThat(found.dtype()).isEqualTo(DType.F32);
          assertThat(found.toDoubleArray())
              .as(name)
              .containsExactly(expected.get(name), within(1e-5));
        }
      }
      assertThat(job.notes())
          .anyMatch(note -> note.contains("3 of 5 have partners, 3 of them elsewhere"))
          .anyMatch(note -> note.contains("is added to " + models.path("target")))
          .anyMatch(note -> note.contains("% of the hidden units"))
          .noneMatch(note -> note.contains("tokenizer_source"));
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(out.resolve("config.json"))
        .hasSameTextualContentAs(folder.resolve("target/config.json"));
    assertThat(out.resolve("tokenizer.json"))
        .hasSameBinaryContentAs(folder.resolve("target/tokenizer.json"));
    assertThat(Files.readString(out.resolve("README.md")))
        .contains("\"method\" : \"symmetry\"", "in the coordinates of");
    assertThat(Files.readString(out.resolve("merganser.json"))).contains(models.path("base"));
    assertThat(ShardedWriter.verify(out, ws)).isEmpty();
  }

  /** The symmetry that was found is the one that is kept; the result is the same. */
  @Test
  void aSymmetryFromAFileIsTaken() throws IOException {
    models.write();
    Path file = folder.resolve("g.mgsymmetry");
    try (ModelDirectory target = ModelDirectory.open(folder.resolve("target"));
        ModelDirectory base = ModelDirectory.open(folder.resolve("base"))) {
      SkillTransfer.of(target, base, base, SkillTransfer.Options.defaults())
          .align(ws)
          .element()
          .save(file, ws);
    }
    Recipe with = models.recipe().withAlign(models.align().withElement(file.toString()));
    try (MergeJob found = MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws);
        MergeJob kept = MergeJob.open(with, MergeJob.Options.defaults(), ws)) {
      for (String name : found.result().tensors().keySet()) {
        try (Tensor a = found.result().read(name, ws);
            Tensor b = kept.result().read(name, ws)) {
          assertThat(a.sameBytes(b)).as(name).isTrue();
        }
      }
      assertThat(kept.inputs()).contains(file);
    }
    models.refused(
        models.recipe().withAlign(models.align().withElement("none.safetensors")),
        "align.element: no file");
  }

  /** An orthogonal element of a tied model is of the untied one, whose gains are absorbed. */
  @Test
  void aRotationOfATiedModelIsTakenFromAFile() throws IOException {
    TransformerConfig tied = CONFIG.with("tied", true);
    for (String name : List.of("target", "base", "skill")) {
      models.write(name, tied, random(tied, name.length()));
    }
    String settings = "residual=orthogonal,untie=true";
    Path file = folder.resolve("g.mgsymmetry");
    Path other = folder.resolve("other.mgsymmetry");
    try (ModelDirectory target = ModelDirectory.open(folder.resolve("target"));
        ModelDirectory base = ModelDirectory.open(folder.resolve("base"))) {
      SymmetryElement element =
          SkillTransfer.of(target, base, base, SkillTransfer.Options.parse(settings))
              .align(ws)
              .element();
      element.save(file, ws);
      element.withResidual(new SymmetryElement.None()).save(other, ws);
    }
    Recipe search =
        SkillTransfer.recipe(
            models.path("target"), models.path("skill"), models.path("base"), 1, settings);
    Recipe with =
        models.recipe().with("lambda", 1).withAlign(models.align().withElement(file.toString()));
    try (MergeJob found = MergeJob.open(search, MergeJob.Options.defaults(), ws);
        MergeJob kept = MergeJob.open(with, MergeJob.Options.defaults(), ws)) {
      assertThat(kept.result().tensors()).containsKey(HEAD);
      assertThat(kept.result().tensors()).isEqualTo(found.result().tensors());
      for (String name : found.result().tensors().keySet()) {
        try (Tensor a = found.result().read(name, ws);
            Tensor b = kept.result().read(name, ws)) {
          assertThat(a.sameBytes(b)).as(name).isTrue();
        }
      }
    }
    assertThatThrownBy(
            () ->
                MergeJob.open(
                    models.recipe().withAlign(models.align().withElement(other.toString())),
                    MergeJob.Options.defaults(),
                    ws))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("align.element: ")
        .hasMessageContaining("tied: true in the model, false in " + other);
  }

  /** The stream of sources is moved to the target's, of which other readers stay as they are. */
  @Test
  void otherReadersOfTheStreamAreTheTargets() throws IOException {
    for (String name : List.of("target", "base", "skill")) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      try (MemoryCheckpoint model = models.checkpoint(CONFIG, random(CONFIG, name.length()));
          Tensor score = Tensor.of(new double[] {name.length(), 2, 3, 4, 5, 6, 7, 8}, 1, 8)) {
        model.tensors().keySet().forEach(each -> tensors.put(each, model.tensor(each)));
        tensors.put("score.weight", score);
        models.write(name, CONFIG, MemoryCheckpoint.of(tensors));
      }
    }
    String settings = "residual=signed-permutation";
    Recipe recipe =
        SkillTransfer.recipe(
            models.path("target"), models.path("skill"), models.path("base"), 1, settings);
    try (MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws);
        Tensor score = job.result().read("score.weight", ws);
        Tensor head = job.result().read(HEAD, ws)) {
      assertThat(score.toDoubleArray()).containsExactly(6, 2, 3, 4, 5, 6, 7, 8);
      assertThat(head.size()).isEqualTo(40);
    }
  }

  /** Byte for byte: -0 stays, and no gain is absorbed. */
  @Test
  void withLambda0TheTargetIsTheResult() throws IOException {
    Map<String, double[]> target = random(CONFIG, 1);
    target.values().forEach(values -> values[0] = -0.0);
    models.write("target", CONFIG, target);
    for (String name : List.of("base", "skill")) {
      models.write(name, CONFIG, random(CONFIG, name.length()));
    }
    for (String settings : List.of("", "residual=orthogonal")) {
      Recipe none =
          SkillTransfer.recipe(
              models.path("target"), models.path("skill"), models.path("base"), 0, settings);
      try (MergeJob job = MergeJob.open(none, MergeJob.Options.defaults(), ws);
          Checkpoint stored = Safetensors.open(folder.resolve("target"))) {
        assertThat(job.result().tensors()).isEqualTo(stored.tensors());
        for (String name : stored.tensors().keySet()) {
          try (Tensor found = job.result().read(name, ws);
              Tensor wanted = stored.read(name, ws)) {
            assertThat(found.sameBytes(wanted)).as(name).isTrue();
          }
        }
      }
    }
  }

  /** What a skill adds to large weights is less than their roundings: the sum is rounded once. */
  @Test
  void mergekitsTypesDoNotRoundBeforeTheSubtraction() throws IOException {
    models.write();
    Recipe recipe = models.recipe().withDtype(DType.BF16);
    MergeJob.Options usual = MergeJob.Options.defaults();
    try (MergeJob one = MergeJob.open(recipe, usual, ws);
        MergeJob two = MergeJob.open(recipe, usual.withMergekit(true), ws)) {
      for (String name : one.result().tensors().keySet()) {
        try (Tensor a = one.result().read(name, ws);
            Tensor b = two.result().read(name, ws)) {
          assertThat(b.dtype()).isEqualTo(DType.BF16);
          assertThat(a.sameBytes(b)).as(name).isTrue();
        }
      }
    }
  }

  /** Every method of differences takes what was moved: here two skills. */
  @Test
  void otherMethodsMergeWhatWasMoved() throws IOException {
    models.write();
    try (Checkpoint skill = Safetensors.open(folder.resolve("skill"))) {
      models.write("again", CONFIG.with("vocabulary", 4), skill, "b", "a", "e", "c");
    }
    Recipe both =
        Recipe.of(
                "ties",
                Input.of(models.path("skill")).with("weight", 1),
                Input.of(models.path("again")).with("weight", 1))
            .withBase(models.path("target"))
            .with("density", 1)
            .with("lambda", 0.5)
            .withAlign(models.align());
    try (MergeJob one = MergeJob.open(models.recipe(), MergeJob.Options.defaults(), ws);
        MergeJob two = MergeJob.open(both, MergeJob.Options.defaults(), ws)) {
      for (String name : one.result().tensors().keySet()) {
        try (Tensor a = one.result().read(name, ws);
            Tensor b = two.result().read(name, ws)) {
          assertThat(b.toDoubleArray()).as(name).containsExactly(a.toDoubleArray(), within(1e-5));
        }
      }
    }
  }

  @Test
  void keysAreWrittenAsTheyAreRead() {
    String json = models.recipe().withAlign(models.align().withElement("g.mgsymmetry")).toJson();
    assertThat(json)
        .contains("\"method\" : \"symmetry\"")
        .contains("\"from\" : \"" + models.path("base") + "\"")
        .contains("\"element\" : \"g.mgsymmetry\"");
  }
}
