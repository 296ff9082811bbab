// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.TiesMerger;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Parameter;
import org.merganser.recipe.Recipe.Slice;

/** Recipes made in Java: values by tensor and layer, slices, and what is refused. */
class RecipeTest {
  @TempDir Path folder;

  @Test
  void gradientsGoFromTheFirstLayerToTheLast() {
    Case up = new Case(Optional.empty(), List.of(0, 0.5, 1));
    Case down = new Case(Optional.empty(), List.of(1, 0.7, 0.1));
    double[] ups = {0, 1 / 3.0, 2 / 3.0, 1};
    double[] downs = {1, 0.8, 0.5, 0.1};
    for (int layer = 0; layer < 4; layer++) {
      assertThat((double) up.at(layer / 3.0)).isCloseTo(ups[layer], within(1e-15));
      assertThat((double) down.at(layer / 3.0)).isCloseTo(downs[layer], within(1e-15));
    }
    Case texts = new Case(Optional.empty(), List.of("l1", "none"));
    assertThat(texts.at(0.99)).isEqualTo("l1");
    assertThat(texts.at(1)).isEqualTo("none");
  }

  @Test
  void theStrongestValueCountsAndFiltersFallThrough() throws IOException {
    write("a", 1);
    write("b", 2);
    Input a = Input.of(path("a"), 0, 4).with("weight", Parameter.of(7).where("q", 1));
    Input onlyQ = Input.of(path("b"), 0, 4);
    Parameter gate = new Parameter(List.of(new Case(Optional.of("q"), List.of(3))));
    Recipe recipe =
        Recipe.of("linear", Slice.of(a, onlyQ).with("weight", gate))
            .with("weight", Parameter.gradient(0, 3))
            .with("normalize", false);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      // model in slice (1 of q, else 7), slice (3 of q), recipe (0 to 3 over the layers).
      assertSum(job, "model.layers.2.q", 1, 3, ws);
      assertSum(job, "model.layers.2.mlp", 7, 2, ws);
      assertSum(job, "model.embed_tokens", 7, 0, ws);
    }
  }

  @Test
  void aModelWithOneLayerIsAtTheEndOfGradients() throws IOException {
    write("a", 1);
    write("b", 2);
    Recipe recipe =
        Recipe.of("slerp", Slice.of(Input.of(path("a"), 1, 2), Input.of(path("b"), 2, 3)))
            .with("t", Parameter.gradient(0, 1));
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws);
        Checkpoint b = Safetensors.open(Path.of(path("b")));
        Checkpoint a = Safetensors.open(Path.of(path("a")))) {
      assertThat(job.result().tensors().keySet())
          .containsExactlyInAnyOrder(
              "model.embed_tokens", "model.layers.0.q", "model.layers.0.mlp", "model.norm");
      assertThat(values(job.result(), "model.layers.0.q", ws))
          .containsExactly(values(b, "model.layers.2.q", ws), within(1e-6));
      assertThat(values(job.result(), "model.norm", ws))
          .containsExactly(values(a, "model.norm", ws), within(1e-6));
    }
  }

  /** With the same settings for all tensors, and only then. */
  @Test
  void aWholeModelIsTrimmedAtOnce() throws IOException {
    write("a", 1);
    write("base", 2);
    Recipe recipe =
        Recipe.of("ties", Input.of(path("a")).with("weight", 1))
            .withBase(path("base"))
            .with("density", 0.5);
    TiesMerger.Options options =
        TiesMerger.Options.defaults().withWeights(List.of(1.0)).withDensity(List.of(0.5));
    try (Workspace ws = Workspace.open();
        Checkpoint a = Safetensors.open(Path.of(path("a")));
        Checkpoint base = Safetensors.open(Path.of(path("base")));
        MergeJob job =
            MergeJob.open(recipe.with("scope", "model"), MergeJob.Options.defaults(), ws)) {
      Checkpoint expected =
          TiesMerger.of(options.withScope(TiesMerger.Scope.MODEL))
              .merge(MergeProblem.of(a).withBase(base), ws);
      for (String name : expected.tensors().keySet()) {
        assertThat(values(job.result(), name, ws)).isEqualTo(values(expected, name, ws));
      }
    }
    refused(
        recipe.with("scope", "model").with("lambda", Parameter.of(1).where("q", 0.5)),
        "models: ties: a setting of the whole model cannot differ between tensors");
  }

  @Test
  void typesFollowTheRecipe() throws IOException {
    write("a", 1);
    Recipe recipe = Recipe.of("linear", Input.of(path("a")).with("weight", 1));
    try (Workspace ws = Workspace.open();
        MergeJob own = MergeJob.open(recipe, MergeJob.Options.defaults(), ws);
        MergeJob half =
            MergeJob.open(recipe.withDtype(DType.BF16), MergeJob.Options.defaults(), ws)) {
      assertThat(own.result().info("model.norm").dtype()).isEqualTo(DType.F32);
      assertThat(half.result().info("model.norm").dtype()).isEqualTo(DType.BF16);
    }
  }

  @Test
  void whatCannotBeFollowedIsRefusedAtItsPlace() throws IOException {
    write("a", 1);
    write("b", 2);
    write("c", 3);
    Input a = Input.of(path("a")).with("weight", 1);
    Input b = Input.of(path("b"));
    refused(Recipe.of("tis", a), "merge_method: no method 'tis'; did you mean ties?");
    refused(Recipe.of("np_merge", a), "merge_method: no method 'np_merge' for recipes");
    refused(Recipe.of("linear", a, b), "models[1].parameters: no weight of this model for");
    refused(
        Recipe.of("linear", a, b.with("wieght", 1)),
        "models[1].parameters.wieght: linear has no parameter wieght; did you mean weight?");
    refused(Recipe.of("ties", a), "models: ties needs the base");
    refused(
        Recipe.of("ties", a).withBase(path("b")).with("density", 0),
        "parameters.density: density must be in (0, 1], not 0.0");
    refused(
        Recipe.of("ties", a.with("lambda", 1), Input.of(path("c"))).withBase(path("b")),
        "models[0].parameters.lambda: lambda is one for all models");
    refused(Recipe.of("linear", a).withBase(path("b")), "base_model: linear uses no base; list");
    refused(Recipe.of("slerp", b, b), "models[1]: " + path("b") + " is here twice");
    refused(
        Recipe.of("slerp", b, Input.of(path("c"))),
        "parameters: slerp needs t, 0 gives the first model");
    refused(
        Recipe.of("linear", Slice.of(Input.of(path("a"), 2, 5).with("weight", 1))),
        "slices[0].sources[0].layer_range: layers [2, 5] of");
    refused(
        Recipe.of("linear", Slice.of(Input.of(path("a"), 0, 2), Input.of(path("b"), 0, 1)))
            .with("weight", 1),
        "slices[0].sources[1].layer_range: 1 layers, where the first source of the slice has 2");
    refused(
        Recipe.of("slerp", Slice.of(Input.of(path("a"), 0, 2), Input.of(path("b"), 0, 2)))
            .withBase(path("c"))
            .with("t", 0.5),
        "slices[0].sources: slerp takes the base, " + path("c") + ", as the first");
    refused(Recipe.of("linear", Input.of("nowhere/x")), "models[0].model: no model");
    assertThatThrownBy(() -> Recipe.of("linear", new Input[0]))
        .isInstanceOf(RecipeException.class)
        .hasMessage("nothing to merge: give models, or slices");
  }

  @Test
  void truthValuesMeanWhatTheyDoInMergekit() throws IOException {
    write("a", 1);
    write("base", 2);
    Recipe recipe =
        Recipe.of("dare_ties", Input.of(path("a")).with("weight", 1).with("density", 0.5))
            .withBase(path("base"));
    MergeJob.Options ours = MergeJob.Options.defaults();
    assertThat(settings(recipe.with("rescale", true), ours)).contains("rescale=inv-density");
    assertThat(settings(recipe, ours.withMergekit(true))).contains("rescale=l1");
    for (Object truth : new Object[] {true, 1.0, 1}) {
      assertThat(settings(recipe.with("rescale", truth), ours.withMergekit(true)))
          .contains("rescale=l1");
    }
    assertThat(settings(recipe.with("rescale", 0), ours.withMergekit(true)))
        .contains("rescale=none");
    Recipe linear = Recipe.of("linear", Input.of(path("a")).with("weight", 3));
    assertThat(settings(linear.with("normalize", 1.0), ours))
        .isEqualTo(settings(linear.with("normalize", true), ours));
    assertThat(settings(linear.with("normalize", 0.0), ours))
        .isEqualTo(settings(linear.with("normalize", false), ours));
    refused(linear.with("normalize", 0.5), "parameters.normalize: normalise must be");
  }

  private static String settings(Recipe recipe, MergeJob.Options options) throws IOException {
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, options, ws)) {
      return job.settings().keySet().toString();
    }
  }

  @Test
  void aBaseAloneIsTheResult() throws IOException {
    write("a", 1);
    Recipe recipe = Recipe.of("ties", Input.of(path("a"))).withBase(path("a"));
    try (Workspace ws = Workspace.open();
        Checkpoint a = Safetensors.open(Path.of(path("a")));
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      assertThat(job.result().tensors()).isEqualTo(a.tensors());
      assertThat(values(job.result(), "model.norm", ws)).isEqualTo(values(a, "model.norm", ws));
      assertThat(job.notes())
          .contains("models: the base is the only model, so the result is the base");
      assertThat(job.describe()).isNotEmpty();
      job.write(folder.resolve("out"), 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
  }

  @Test
  void slicesWithTheSameTensorsAreRefused() throws IOException {
    write("a", 1);
    try (Checkpoint a = Safetensors.open(Path.of(path("a")))) {
      assertThatThrownBy(() -> JoinedCheckpoint.of(List.of(a, a)))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageStartingWith("slices cannot be joined:")
          .hasMessageContaining("model.norm is in two slices");
    }
  }

  @Test
  void aFolderIsNotReplacedWhereAnInputIsALinkToIt() throws IOException {
    write("a", 1);
    Path model = Files.createDirectories(folder.resolve("model"));
    Path out = Files.createDirectories(folder.resolve("out"));
    Path shard = Files.move(Path.of(path("a")), out.resolve("model.safetensors"));
    Files.createSymbolicLink(model.resolve("model.safetensors"), shard);
    Recipe recipe = Recipe.of("linear", Input.of(model.toString()).with("weight", 1));
    ShardedWriter.Options force = ShardedWriter.Options.defaults().withExisting(Existing.REPLACE);
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      assertThatThrownBy(() -> job.write(out, 1 << 20, force, ws))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("is read there");
    }
    assertThat(shard).exists();
  }

  @Test
  void whatIsResumedHasTheSameFilesBesideWeights() throws IOException {
    write("a", 1);
    Path model = Files.createDirectories(folder.resolve("model"));
    Files.move(Path.of(path("a")), model.resolve("model.safetensors"));
    Recipe recipe = Recipe.of("linear", Input.of(model.toString()).with("weight", 1));
    String none = identity(recipe);
    assertThat(identity(recipe)).isEqualTo(none);
    Files.writeString(model.resolve("config.json"), "{}");
    String some = identity(recipe);
    Files.writeString(model.resolve("config.json"), "{ }");
    assertThat(List.of(none, some)).doesNotHaveDuplicates().doesNotContain(identity(recipe));
  }

  private static String identity(Recipe recipe) throws IOException {
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
      return Provenance.identity(job);
    }
  }

  @Test
  void aValueThatIsRequiredIsAddedWhereItIsMissing() throws IOException {
    String plain = "{\n  \"n\": 1\n}\n";
    Optional<Boolean> no = Optional.of(false);
    assertThat(new ConfigFile(plain).require(ConfigFile.TIED, Optional.empty()).changed())
        .isEqualTo(plain);
    assertThat(new ConfigFile(plain).require(ConfigFile.TIED, no).changed())
        .isEqualTo("{\n  \"n\": 1,\n  \"tie_word_embeddings\": false\n}\n");
    String tied = "{\n  \"tie_word_embeddings\": true,\n  \"n\": 1\n}\n";
    assertThat(new ConfigFile(tied).require(ConfigFile.TIED, no).changed())
        .isEqualTo(tied.replace("true", "false"));
    String text = "{\n  \"text_config\": {\n    \"tie_word_embeddings\": true\n  }\n}\n";
    assertThat(new ConfigFile(text).require(ConfigFile.TIED, no).changed())
        .isEqualTo(text.replace("true", "false"));
  }

  @Test
  void modelsOfDifferentTypesNeedAType() throws IOException {
    write("a", 1);
    write("b", 2);
    Path half = folder.resolve("half.safetensors");
    try (Workspace ws = Workspace.open();
        Checkpoint b = Safetensors.open(Path.of(path("b")))) {
      Safetensors.write(b.as(DType.BF16), half, ws);
    }
    Recipe recipe = Recipe.of("linear", Input.of(path("a")), Input.of(half.toString()));
    refused(
        recipe.with("weight", 1),
        "models[1]: 'model.embed_tokens' is F32 in " + path("a") + " and BF16 in");
    try (Workspace ws = Workspace.open();
        MergeJob job =
            MergeJob.open(
                recipe.with("weight", 1).withDtype(DType.F16), MergeJob.Options.defaults(), ws)) {
      assertThat(job.result().info("model.norm").dtype()).isEqualTo(DType.F16);
    }
  }

  private void refused(Recipe recipe, String message) {
    try (Workspace ws = Workspace.open()) {
      assertThatThrownBy(() -> MergeJob.open(recipe, MergeJob.Options.defaults(), ws))
          .isInstanceOf(RecipeException.class)
          .hasMessageStartingWith(message);
    }
  }

  private String path(String name) {
    return folder.resolve(name + ".safetensors").toString();
  }

  private void write(String name, long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("model.embed_tokens", vector(random));
    for (int layer = 0; layer < 4; layer++) {
      tensors.put("model.layers." + layer + ".q", vector(random));
      tensors.put("model.layers." + layer + ".mlp", vector(random));
    }
    tensors.put("model.norm", vector(random));
    try (Workspace ws = Workspace.open();
        Checkpoint model = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(model, Path.of(path(name)), ws);
    }
  }

  private static Tensor vector(SplittableRandom random) {
    return Tensor.of(new float[] {(float) random.nextDouble(), (float) random.nextDouble()}, 2);
  }

  private void assertSum(MergeJob job, String name, double wa, double wb, Workspace ws)
      throws IOException {
    try (Checkpoint a = Safetensors.open(Path.of(path("a")));
        Checkpoint b = Safetensors.open(Path.of(path("b")))) {
      double[] ofA = values(a, name, ws);
      double[] ofB = values(b, name, ws);
      double[] found = values(job.result(), name, ws);
      for (int i = 0; i < found.length; i++) {
        assertThat(found[i])
            .as(name)
            .isCloseTo(wa * ofA[i] + wb * ofB[i], within(1e-6 * (wa + wb)));
      }
    }
  }

  private static double[] values(Checkpoint model, String name, Workspace ws) throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
