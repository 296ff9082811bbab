// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Digest;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.Recipe.Input;

/** Repairs of recipes: when they are asked, and what is told of their data. */
class RepairingTest {
  private static final String SHA =
      "6ec9c2b0eb14010746c8bce8939303b382344b296206612eb8a907a37b2b2f37";

  @TempDir Path temp;

  private Path data;
  private Path out;
  private Recipe recipe;

  @BeforeEach
  void files() throws IOException {
    Path stored = Files.createDirectory(temp.resolve("stored"));
    data = Files.createSymbolicLink(temp.resolve("images"), stored);
    Files.writeString(data.resolve("train-images.npy"), "pixels");
    out = temp.resolve("out");
    recipe = Recipe.of("linear", Input.of(model("a", 1)), Input.of(model("b", 3)));
    recipe = recipe.with("weight", 1);
  }

  private String model(String name, float value) throws IOException {
    Path file = temp.resolve(name + ".safetensors");
    try (Checkpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {value}, 1)))) {
      Safetensors.write(model, file, WS);
    }
    return file.toString();
  }

  /** Makes no difference, and counts. */
  private final class Counted implements MergeJob.Repairing {
    private boolean refuses;
    private int repairs;
    private int prepared;

    @Override
    public String description() {
      return "nothing";
    }

    @Override
    public List<Path> inputs() {
      return List.of(data);
    }

    @Override
    public Ready prepare(Checkpoint merged) {
      if (refuses) {
        throw new IncompatibleModelsException(
            "no network for", List.copyOf(merged.tensors().keySet()));
      }
      prepared++;
      return new Ready() {
        @Override
        public Checkpoint repair(List<Checkpoint> models, List<Double> shares, Workspace ws)
            throws IOException {
          repairs++;
          return MemoryCheckpoint.copyOf(merged, ws);
        }

        @Override
        public void close() {
          prepared--;
        }
      };
    }
  }

  private MergeJob open(Counted repair) throws IOException {
    return MergeJob.open(recipe, MergeJob.Options.defaults().withRepair(repair), WS);
  }

  private void write(Counted repair, Existing existing) throws IOException {
    ShardedWriter.Options how = ShardedWriter.Options.defaults().withDigest(Digest.FULL);
    try (MergeJob job = open(repair)) {
      job.write(out, ShardPlan.DEFAULT_SHARD_BYTES, how.withExisting(existing), WS);
    }
  }

  @Test
  void whatCannotBeRepairedIsRefusedBeforeAModelIsReplaced() throws IOException {
    Counted repair = new Counted();
    write(repair, Existing.REFUSE);
    repair.refuses = true;
    assertThatThrownBy(() -> write(repair, Existing.REPLACE))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("no network for");
    assertThat(ShardedWriter.verify(out, WS)).isEmpty();
  }

  @Test
  void aFinishedModelIsNotRepairedAgain() throws IOException {
    Counted repair = new Counted();
    write(repair, Existing.REFUSE);
    write(repair, Existing.RESUME);
    assertThat(repair.repairs).isEqualTo(1);
    assertThat(repair.prepared).isZero();
  }

  @Test
  void theDataArePartOfTheJob() throws IOException {
    Counted repair = new Counted();
    write(repair, Existing.REFUSE);
    String backend = WS.backend().name().toLowerCase(Locale.ROOT);
    assertThat(Files.readString(out.resolve("merganser.json")))
        .contains("\"backend\" : \"" + backend + "\"", "train-images.npy", SHA);
    try (MergeJob job = open(repair)) {
      assertThat(job.inputs()).contains(data);
      String before = Provenance.identity(job);
      Path unread = Files.createDirectory(data.resolve("older"));
      Files.writeString(unread.resolve("train-images.npy"), "not read");
      assertThat(Provenance.identity(job)).isEqualTo(before);
      Files.writeString(data.resolve("train-images.npy"), "other pixels");
      assertThat(Provenance.identity(job)).isNotEqualTo(before);
    }
  }
}
