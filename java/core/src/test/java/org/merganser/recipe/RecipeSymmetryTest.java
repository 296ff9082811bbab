// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Input;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.TransformerConfig;

/** Transfers as recipes: models in folders, of vocabularies of their own. */
class RecipeSymmetryTest {
  private static final String EMBEDDING = "model.embed_tokens.weight";
  private static final String HEAD = "lm_head.weight";
  private static final TransformerConfig CONFIG = TransformerConfig.llama(5, 8, 2, 4, 2, 2, 12);

  @TempDir Path folder;

  private final Workspace ws = Workspace.builder().threads(1).open();

  @org.junit.jupiter.api.AfterEach
  void close() {
    ws.close();
  }

  /** Target a b c d and a row of padding; skill and base b a e c, moved by a symmetry. */
  private Map<String, double[]> write() throws IOException {
    Map<String, double[]> target = random(CONFIG, 1);
    Map<String, double[]> difference = random(CONFIG, 2);
    TransformerConfig other = CONFIG.with("vocabulary", 4);
    write("target", CONFIG, target, "a", "b", "c", "d");
    SymmetryElement moved = SymmetryElement.random(other, EnumSet.of(Kind.UNITS, Kind.HEADS), 3);
    int[] rows = {1, 0, -1, 2};
    Map<String, double[]> base = rows(target, rows);
    Map<String, double[]> skill = new LinkedHashMap<>();
    Map<String, double[]> expected = new LinkedHashMap<>();
    for (String name : target.keySet()) {
      double[] change = difference.get(name);
      expected.put(name, target.get(name).clone());
      boolean tokens = name.equals(EMBEDDING) || name.equals(HEAD);
      for (int i = 0; i < change.length; i++) {
        change[i] *= 0.1;
        // Of the rows d and padding nothing is known; e is no token of the target.
        expected.get(name)[i] += tokens && i / 8 > 2 ? 0 : 0.5 * change[i];
      }
    }
    rows(difference, rows)
        .forEach(
            (name, change) -> {
              double[] sum = base.get(name).clone();
              for (int i = 0; i < sum.length; i++) {
                sum[i] += change[i];
              }
              skill.put(name, sum);
            });
    try (MemoryCheckpoint b = checkpoint(other, base);
        MemoryCheckpoint s = checkpoint(other, skill)) {
      write("base", other, moved.apply(b), "b", "a", "e", "c");
      write("skill", other, moved.apply(s), "b", "a", "e", "c");
    }
    return expected;
  }

  private Recipe recipe() {
    return SkillTransfer.recipe(path("target"), path("skill"), path("base"), 0.5, "");
  }

  @Test
  void rowsGoByTokenAndTheRestBySymmetry() throws IOException {
    Map<String, double[]> expected = write();
    Path out = folder.resolve("out");
    try (MergeJob job = MergeJob.open(recipe(), MergeJob.Options.defaults(), ws)) {
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
          .anyMatch(note -> note.contains("is added to " + path("target")))
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
    assertThat(Files.readString(out.resolve("merganser.json"))).contains(path("base"));
    assertThat(ShardedWriter.verify(out, ws)).isEmpty();
  }

  /** The symmetry that was found is the one that is kept; the result is the same. */
  @Test
  void aSymmetryFromAFileIsTaken() throws IOException {
    write();
    Path file = folder.resolve("g.mgsymmetry");
    try (ModelDirectory target = ModelDirectory.open(folder.resolve("target"));
        ModelDirectory base = ModelDirectory.open(folder.resolve("base"))) {
      SkillTransfer.of(target, base, base, SkillTransfer.Options.defaults())
          .align(ws)
          .element()
          .save(file, ws);
    }
    Recipe with = recipe().withAlign(align().withElement(file.toString()));
    try (MergeJob found = MergeJob.open(recipe(), MergeJob.Options.defaults(), ws);
        MergeJob kept = MergeJob.open(with, MergeJob.Options.defaults(), ws)) {
      for (String name : found.result().tensors().keySet()) {
        try (Tensor a = found.result().read(name, ws);
            Tensor b = kept.result().read(name, ws)) {
          assertThat(a.sameBytes(b)).as(name).isTrue();
        }
      }
      assertThat(kept.inputs()).contains(file);
    }
    refused(recipe().withAlign(align().withElement("none.safetensors")), "align.element: no file");
  }

  /** An orthogonal element of a tied model is of the untied one, whose gains are absorbed. */
  @Test
  void aRotationOfATiedModelIsTakenFromAFile() throws IOException {
    TransformerConfig tied = CONFIG.with("tied", true);
    for (String name : List.of("target", "base", "skill")) {
      write(name, tied, random(tied, name.length()));
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
    Recipe search = SkillTransfer.recipe(path("target"), path("skill"), path("base"), 1, settings);
    Recipe with = recipe().with("lambda", 1).withAlign(align().withElement(file.toString()));
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
                    recipe().withAlign(align().withElement(other.toString())),
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
      try (MemoryCheckpoint model = checkpoint(CONFIG, random(CONFIG, name.length()));
          Tensor score = Tensor.of(new double[] {name.length(), 2, 3, 4, 5, 6, 7, 8}, 1, 8)) {
        model.tensors().keySet().forEach(each -> tensors.put(each, model.tensor(each)));
        tensors.put("score.weight", score);
        write(name, CONFIG, MemoryCheckpoint.of(tensors));
      }
    }
    String settings = "residual=signed-permutation";
    Recipe recipe = SkillTransfer.recipe(path("target"), path("skill"), path("base"), 1, settings);
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
    write("target", CONFIG, target);
    for (String name : List.of("base", "skill")) {
      write(name, CONFIG, random(CONFIG, name.length()));
    }
    for (String settings : List.of("", "residual=orthogonal")) {
      Recipe none = SkillTransfer.recipe(path("target"), path("skill"), path("base"), 0, settings);
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
    write();
    Recipe recipe = recipe().withDtype(DType.BF16);
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
    write();
    try (Checkpoint skill = Safetensors.open(folder.resolve("skill"))) {
      write("again", CONFIG.with("vocabulary", 4), skill, "b", "a", "e", "c");
    }
    Recipe both =
        Recipe.of(
                "ties",
                Input.of(path("skill")).with("weight", 1),
                Input.of(path("again")).with("weight", 1))
            .withBase(path("target"))
            .with("density", 1)
            .with("lambda", 0.5)
            .withAlign(align());
    try (MergeJob one = MergeJob.open(recipe(), MergeJob.Options.defaults(), ws);
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
  void whatCannotBeIsRefusedAtItsPlace() throws IOException {
    write();
    Recipe recipe = recipe();
    refused(
        recipe.withAlign(Align.of("symmetry")),
        "align: symmetry moves what models learned since another one; name that with from: MODEL");
    refused(
        recipe.withAlign(Align.of("symmetry", "acts").withFrom(path("base"))),
        "align: symmetries of transformers follow from config.json and weights");
    refused(
        recipe.withAlign(Align.of("symmetry:residul=none").withFrom(path("base"))),
        "align.method: symmetry has no setting 'residul'; it has source, residual");
    refused(
        recipe.withAlign(align().withFrom(path("target"))),
        "align.from: " + path("target") + " is what is added to, so nothing would move");
    refused(recipe.withAlign(align().withFrom("nowhere/x")), "align.from: no model 'nowhere/x'");
    refused(
        recipe.withTokenizerSource("base"),
        "align: symmetry matches rows of embeddings by token and keeps those of");
    refused(
        Recipe.of("linear", Input.of(path("target")).with("weight", 1))
            .withAlign(Align.of("identity").withFrom(path("base"))),
        "align.from: is for the method symmetry, not for identity");
    Recipe slices =
        Recipe.of("passthrough", Recipe.Slice.of(Input.of(path("target"), 0, 2)))
            .withAlign(align());
    refused(slices, "align: whole models are aligned; write models, not slices");
  }

  @Test
  void modelsOfOtherStructureAreRefusedNamingBoth() throws IOException {
    write();
    TransformerConfig other = CONFIG.with("epsilon", 1e-6).with("intermediate", 14);
    write("other", other, random(other, 5), "a", "b", "c", "d");
    assertThatThrownBy(
            () ->
                MergeJob.open(
                    SkillTransfer.recipe(path("target"), path("other"), path("base"), 1, ""),
                    MergeJob.Options.defaults(),
                    ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("intermediate: 12 in " + path("target") + ", 14 in " + path("other"))
        .hasMessageContaining("epsilon: 1.0E-5 in");
    Files.delete(folder.resolve("skill/config.json"));
    assertThatThrownBy(() -> MergeJob.open(recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(path("skill") + " has no config.json; name a folder");
  }

  @Test
  void withoutTokenizersRowsGoByTheirNumber() throws IOException {
    write();
    for (String name : List.of("target", "base", "skill")) {
      Files.delete(folder.resolve(name).resolve("tokenizer.json"));
    }
    assertThatThrownBy(() -> MergeJob.open(recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("has 5 rows of embeddings")
        .hasMessageContaining("cannot be matched by token: " + path("target"));
    for (String name : List.of("base", "skill")) {
      write(name, CONFIG, random(CONFIG, 7));
    }
    try (MergeJob job = MergeJob.open(recipe(), MergeJob.Options.defaults(), ws)) {
      assertThat(job.notes())
          .anyMatch(note -> note.contains("rows of embeddings are matched by their numbers"));
    }
  }

  /** Rows by number are for models of which none has a tokenizer. */
  @ParameterizedTest
  @ValueSource(strings = {"target", "base", "skill"})
  void aTokenizerThatIsDamagedOrMissingInOneModelIsRefused(String name) throws IOException {
    for (String each : List.of("target", "base", "skill")) {
      write(each, CONFIG, random(CONFIG, 7), "a", "b", "c", "d");
    }
    Path file = folder.resolve(name).resolve("tokenizer.json");
    String whole = Files.readString(file);
    for (String damaged :
        List.of(
            whole.substring(0, whole.length() / 2), "{}", whole.replace("\"b\":1", "\"b\":-1"))) {
      Files.writeString(file, damaged);
      assertThatThrownBy(() -> MergeJob.open(recipe(), MergeJob.Options.defaults(), ws))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(path(name));
    }
    Files.delete(file);
    assertThatThrownBy(() -> MergeJob.open(recipe(), MergeJob.Options.defaults(), ws))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("only some of the models have a tokenizer")
        .hasMessageContaining(path(name) + " has neither tokenizer.json nor vocab.json");
  }

  @Test
  void keysAreWrittenAsTheyAreRead() {
    String json = recipe().withAlign(align().withElement("g.mgsymmetry")).toJson();
    assertThat(json)
        .contains("\"method\" : \"symmetry\"")
        .contains("\"from\" : \"" + path("base") + "\"")
        .contains("\"element\" : \"g.mgsymmetry\"");
  }

  private Align align() {
    return Align.of("symmetry").withFrom(path("base"));
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private void refused(Recipe recipe, String message) {
    assertThatThrownBy(() -> MergeJob.open(recipe, MergeJob.Options.defaults(), ws))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith(message);
  }

  /** The same with other rows of embeddings; -1 for one of its own. */
  private static Map<String, double[]> rows(Map<String, double[]> model, int... rows) {
    Map<String, double[]> result = new LinkedHashMap<>(model);
    for (String name : List.of(EMBEDDING, HEAD)) {
      double[] values = new double[rows.length * 8];
      for (int i = 0; i < values.length; i++) {
        values[i] = rows[i / 8] < 0 ? 0.3 : model.get(name)[rows[i / 8] * 8 + i % 8];
      }
      result.put(name, values);
    }
    return result;
  }

  private static Map<String, double[]> random(TransformerConfig config, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, double[]> tensors = new LinkedHashMap<>();
    config
        .tensors(DType.F32)
        .forEach((name, info) -> tensors.put(name, random.doubles(info.size(), -1, 1).toArray()));
    return tensors;
  }

  private MemoryCheckpoint checkpoint(TransformerConfig config, Map<String, double[]> values) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    config
        .tensors(DType.F32)
        .forEach(
            (name, info) -> {
              try (Tensor wide = Tensor.of(values.get(name), info.dims())) {
                tensors.put(name, wide.to(DType.F32, ws));
              }
            });
    return MemoryCheckpoint.of(tensors);
  }

  private void write(
      String name, TransformerConfig config, Map<String, double[]> values, String... tokens)
      throws IOException {
    try (MemoryCheckpoint model = checkpoint(config, values)) {
      write(name, config, model, tokens);
    }
  }

  private void write(String name, TransformerConfig config, Checkpoint model, String... tokens)
      throws IOException {
    Path to = Files.createDirectories(folder.resolve(name));
    config.writeTo(to.resolve("config.json"));
    Safetensors.write(model, to.resolve("model.safetensors"), ws);
    if (tokens.length > 0) {
      List<String> ids = new ArrayList<>();
      for (String token : tokens) {
        ids.add("\"" + token + "\":" + ids.size());
      }
      Files.writeString(
          to.resolve("tokenizer.json"), "{\"model\":{\"vocab\":{" + String.join(",", ids) + "}}}");
    } else {
      Files.deleteIfExists(to.resolve("tokenizer.json"));
    }
  }
}
