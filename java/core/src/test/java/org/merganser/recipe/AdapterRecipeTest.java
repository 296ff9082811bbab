// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelStore;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.lora.LoraAdapter;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.recipe.Recipe.Input;
import org.merganser.testing.Models;

/** {@code model+adapter} in recipes. */
class AdapterRecipeTest {
  @TempDir Path folder;

  private MergeJob.Options options;

  /** A base and adapters under the names that they would have on a hub, one in the hub's cache. */
  @BeforeEach
  void prepare() throws IOException {
    Path base = Files.createDirectories(folder.resolve("models/lab/base"));
    Files.copy(fixture("base.safetensors"), base.resolve("model.safetensors"));
    Files.writeString(base.resolve("config.json"), "{\"model_type\": \"t\"}");
    copy("plain", folder.resolve("models/lab/plain"));
    copy("other", folder.resolve("cache/models--lab--other/snapshots/abc"));
    Path refs = Files.createDirectories(folder.resolve("cache/models--lab--other/refs"));
    Files.writeString(refs.resolve("main"), "abc");
    ModelStore store =
        new ModelStore(List.of(folder.resolve("models")), List.of(folder.resolve("cache")));
    options = MergeJob.Options.defaults().withStore(store);
  }

  private static Path fixture(String name) {
    try {
      return Path.of(AdapterRecipeTest.class.getResource("/fixtures/peft/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static void copy(String fixture, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(fixture(fixture))) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
  }

  @Test
  void adaptersAreFoldedAsTheModelsAreRead() throws IOException {
    Recipe recipe =
        Recipe.of("linear", Input.of("lab/base+lab/plain"), Input.of("lab/base+lab/other@main"))
            .with("weight", 1);
    try (Opened opened = new Opened()) {
      MergeJob job = opened.add(MergeJob.open(recipe, options, WS));
      Checkpoint base = opened.add(Safetensors.open(fixture("base.safetensors")));
      LoraAdapter plain = opened.add(LoraAdapter.open(fixture("plain")));
      LoraAdapter other = opened.add(LoraAdapter.open(fixture("other")));
      Checkpoint expected =
          opened.add(
              LinearMerger.uniform()
                  .merge(MergeProblem.of(plain.fold(base), other.fold(base)), WS));
      Models.assertSameBits("linear", job.result(), expected, WS);
      long tensors = Files.size(fixture("plain/adapter_model.safetensors"));
      ShardPlan plan = job.plan(ShardPlan.DEFAULT_SHARD_BYTES);
      assertThat(plan.reads()).isGreaterThan(2 * plan.bytes() - 20_000 + tensors);
      assertThat(job.describe())
          .anyMatch(line -> line.matches("adapter   of lab/base\\+lab/plain: .*, in 7 tensors"));
      assertThat(job.inputs())
          .contains(
              folder.resolve("models/lab/plain/adapter_model.safetensors"),
              folder.resolve("cache/models--lab--other/snapshots/abc"));
    }
  }

  /** Rounding has no low rank, and is taken for directions. */
  @Test
  void knotsOfRoundedModelsIsDoubtful() throws IOException {
    Path narrow = Files.createDirectories(folder.resolve("models/lab/narrow"));
    try (Checkpoint base = Safetensors.open(fixture("base.safetensors"))) {
      Safetensors.write(base.as(DType.BF16), narrow.resolve("model.safetensors"), WS);
    }
    Recipe recipe =
        Recipe.of("knots", Input.of("lab/narrow+lab/plain"), Input.of("lab/narrow+lab/other"))
            .withBase("lab/narrow")
            .with("weight", 1);
    assertThat(notes(recipe, options))
        .anyMatch(
            note -> note.matches("knots of models that are rounded .*give the recipe a dtype.*"));
    assertThat(notes(recipe.withDtype(DType.BF16), options))
        .noneMatch(note -> note.contains("rounded"))
        .anyMatch(note -> note.contains("merganser lora combine --merger knots merges"));
    assertThat(notes(recipe.withDtype(DType.BF16), options.withMergekit(true)))
        .anyMatch(note -> note.contains("leave out --compat mergekit"));
  }

  private static List<String> notes(Recipe recipe, MergeJob.Options how) throws IOException {
    try (MergeJob job = MergeJob.open(recipe, how, WS)) {
      return job.notes();
    }
  }

  @Test
  void resultsSayWhatTheyWereMadeOf() throws IOException {
    Path out = folder.resolve("out");
    Recipe recipe = Recipe.of("passthrough", Input.of("lab/base+lab/plain"));
    try (MergeJob job = MergeJob.open(recipe, options, WS);
        Checkpoint base = Safetensors.open(fixture("base.safetensors"));
        LoraAdapter plain = LoraAdapter.open(fixture("plain"))) {
      job.write(
          out,
          ShardPlan.DEFAULT_SHARD_BYTES,
          ShardedWriter.Options.defaults().withDigest(ShardedWriter.Digest.FULL),
          WS);
      try (Checkpoint written = Safetensors.open(out)) {
        Models.assertSameBits("written", written, plain.fold(base), WS);
      }
    }
    String manifest = Files.readString(out.resolve("merganser.json")).replaceAll("\\s+", " ");
    assertThat(manifest)
        .contains("\"model\" : \"lab/base+lab/plain\"")
        .containsPattern(
            "\"adapter\" : \\{ \"path\" : \"[^\"]*/models/lab/plain\", \"files\" : \\[ \\{"
                + " \"name\" : \"adapter_config.json\", \"bytes\" : \\d+, \"sha256\" :"
                + " \"[0-9a-f]{64}\" \\}, \\{ \"name\" : \"adapter_model.safetensors\"");
    assertThat(Files.readString(out.resolve("README.md")))
        .contains("base_model:\n- lab/base\n- lab/plain\n")
        .contains(
            "- [lab/base](https://huggingface.co/lab/base) +"
                + " [lab/plain](https://huggingface.co/lab/plain)\n");
    assertThat(Files.readString(out.resolve("config.json"))).contains("\"model_type\": \"t\"");
  }

  /** Another adapter under the same name is another job. */
  @Test
  void changedAdaptersDoNotResume() throws IOException {
    Recipe recipe = Recipe.of("passthrough", Input.of("lab/base+lab/plain"));
    String before;
    try (MergeJob job = MergeJob.open(recipe, options, WS)) {
      before = Provenance.identity(job);
      assertThat(Provenance.identity(job)).isEqualTo(before);
    }
    Path config = folder.resolve("models/lab/plain/adapter_config.json");
    Files.writeString(config, Files.readString(config) + "\n");
    try (MergeJob job = MergeJob.open(recipe, options, WS)) {
      assertThat(Provenance.identity(job)).isNotEqualTo(before);
    }
  }

  @Test
  void whatIsNotThereOrDoesNotFitIsToldFirst() throws IOException {
    Recipe gone = Recipe.of("passthrough", Input.of("lab/base+lab/gone"));
    assertThatThrownBy(() -> MergeJob.open(gone, options, WS))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("models[0].model: no model 'lab/gone' on this machine");
    Recipe same = Recipe.of("passthrough", Input.of("lab/base+lab/base"));
    assertThatThrownBy(() -> MergeJob.open(same, options, WS))
        .hasMessageContaining(
            "models/lab/base: no adapter of PEFT: there is no adapter_config.json");
    Path config = folder.resolve("models/lab/plain/adapter_config.json");
    Files.writeString(config, Files.readString(config).replace("\"r\": 2", "\"r\": 5"));
    Recipe recipe = Recipe.of("passthrough", Input.of("lab/base+lab/plain"));
    assertThatThrownBy(() -> MergeJob.open(recipe, options, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("for rank 2; the configuration says 5");
  }
}
