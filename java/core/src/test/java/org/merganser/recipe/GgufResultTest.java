// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.GgufBytes;
import org.merganser.io.GgufLlama;
import org.merganser.io.ModelDirectory;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardedWriter;
import org.merganser.recipe.Recipe.Input;
import org.merganser.testing.RunsOnce;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.TransformerConfig;

/** A result of GGUF files is a folder that can be loaded. */
@RunsOnce("files and their configuration, whatever computes")
class GgufResultTest {
  @TempDir Path folder;

  @Test
  void theConfigurationIsThatOfTheHeader() throws IOException {
    Path one = GgufLlama.write(folder.resolve("one.gguf"), 1);
    Path other = GgufLlama.write(folder.resolve("other.gguf"), 2);
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(average(one, other), MergeJob.Options.defaults(), ws)) {
      assertThat(job.notes())
          .contains("config.json is made of what " + one + " says inside its file");
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    TransformerConfig config = TransformerConfig.read(out);
    try (Checkpoint result = Safetensors.open(out);
        ModelDirectory source = ModelDirectory.open(one)) {
      assertThat(config).isEqualTo(TransformerConfig.ofGguf(source.checkpoint()));
      assertThat(CanonicalCheckpoint.of(result, config).tensors())
          .isEqualTo(CanonicalCheckpoint.of(source.checkpoint(), config).tensors());
    }
  }

  @Test
  void ofAHeaderThatDoesNotSayEnoughThereIsNone() throws IOException {
    Path one = bare("one");
    Path other = bare("other");
    Path out = folder.resolve("out");
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(average(one, other), MergeJob.Options.defaults(), ws)) {
      assertThat(job.notes()).contains(one + " has no config.json, so neither has the result");
      job.write(out, 1 << 20, ShardedWriter.Options.defaults(), ws);
    }
    assertThat(Files.exists(out.resolve("config.json"))).isFalse();
  }

  private Path bare(String name) throws IOException {
    return new GgufBytes()
        .value("general.architecture", "llama")
        .tensor("token_embd.weight", 0, GgufBytes.floats(1, 2, 3, 4), 2, 2)
        .write(folder.resolve(name + ".gguf"));
  }

  private static Recipe average(Path one, Path other) {
    return Recipe.of("linear", Input.of(one.toString()), Input.of(other.toString()))
        .with("weight", 1);
  }
}
