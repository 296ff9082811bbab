// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.ShardedWriter.Digest;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.TiesMerger;
import org.merganser.testing.NoiseCheckpoint;

/** A model is written in parts, in any order, to the bytes of a plain writer. */
class ShardedWriterTest {
  private static final long SHARDS = 6_000_000;

  @TempDir Path temporary;

  private static Checkpoint model(long seed, long block) {
    return new NoiseCheckpoint(NoiseCheckpoint.shapes(), seed, block);
  }

  private static void write(Checkpoint model, long shardBytes, Path to, Options options)
      throws IOException {
    try (ShardedWriter writer = ShardedWriter.open(ShardPlan.of(model, shardBytes), to, options)) {
      writer.write(model, WS);
    }
  }

  private Path plain(Checkpoint model, long shardBytes) throws IOException {
    Path folder = temporary.resolve("plain");
    Safetensors.writeFolder(model, folder, shardBytes, WS);
    return folder;
  }

  /** Names and bytes of what a reader of the model sees. */
  private static Map<String, String> files(Path folder) throws IOException {
    Map<String, String> files = new TreeMap<>();
    try (Stream<Path> all = Files.list(folder)) {
      for (Path file : all.toList()) {
        if (!file.getFileName().toString().equals("merganser.json")) {
          String bytes = Digests.sha256(ByteBuffer.wrap(Files.readAllBytes(file)));
          files.put(file.getFileName().toString(), bytes);
        }
      }
    }
    return files;
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "2, 7", "8, 4096", "3, 960", "2, 2000000000"})
  void theBytesAreThoseOfThePlainWriter(int threads, long block) throws IOException {
    for (long shardBytes : new long[] {1, SHARDS, ShardPlan.DEFAULT_SHARD_BYTES}) {
      Path folder = temporary.resolve("out" + shardBytes);
      write(model(1, block), shardBytes, folder, Options.defaults().withThreads(threads));
      Path plain = temporary.resolve("plain" + shardBytes);
      Safetensors.writeFolder(model(1, 1), plain, shardBytes, WS);
      assertThat(files(folder)).isEqualTo(files(plain));
    }
  }

  /** Where the function of a tensor takes a look at all of it. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void threadsShareTheStatisticsOfATensor(int threads) throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (int seed = 1; seed <= 3; seed++) {
      models.add(model(seed, 1).where(name -> !name.equals("scalar")));
    }
    Checkpoint merged =
        TiesMerger.of(TiesMerger.Options.defaults().withDensity(List.of(0.3)))
            .merge(MergeProblem.of(models.subList(0, 2)).withBase(models.get(2)), WS);
    Path folder = temporary.resolve("out");
    write(merged, SHARDS, folder, Options.defaults().withThreads(threads));
    assertThat(files(folder)).isEqualTo(files(plain(merged, SHARDS)));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 7, 11})
  void whatFailedGoesOnWhereItWas(int failing) throws IOException {
    Checkpoint model = model(1, 1);
    Path folder = temporary.resolve("out");
    Options options = Options.defaults().withJob("a").withThreads(1);
    Failing failed = new Failing(model, failing);
    assertThatThrownBy(() -> write(failed, SHARDS, folder, options)).hasMessage("gone");
    assertThat(names(folder)).doesNotContain(ShardIndex.FILE);
    assertThatThrownBy(() -> write(model, SHARDS, folder, options))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("holds this model, unfinished");
    assertThatThrownBy(
            () -> write(model, SHARDS, folder, options.withJob("b").withExisting(Existing.RESUME)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("the recipe or the inputs differ (a, now b)");
    assertThatThrownBy(() -> write(model, 1, folder, options.withExisting(Existing.RESUME)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("the size of shards differ");
    Failing counting = new Failing(model, Integer.MAX_VALUE);
    write(counting, SHARDS, folder, options.withExisting(Existing.RESUME));
    assertThat(files(folder)).isEqualTo(files(plain(model, SHARDS)));
    // One thread: every part that was read before is written down.
    assertThat(counting.reads).isEqualTo(new Failing(model, 0).parts() - failing);
    // And once more: there is nothing to do.
    Failing again = new Failing(model, 0);
    write(again, SHARDS, folder, options.withExisting(Existing.RESUME));
    assertThat(again.reads).isZero();
  }

  /** Bytes that never reached the disk are noticed, whatever the journal says. */
  @ParameterizedTest
  @CsvSource({"TENSOR", "NONE", "FULL"})
  void lostBytesAreWrittenAgain(Digest digest) throws IOException {
    Checkpoint model = model(1, 1);
    Path folder = temporary.resolve("out");
    Options options = Options.defaults().withDigest(digest).withThreads(2);
    Failing failed = new Failing(model, 9);
    assertThatThrownBy(
            () -> write(failed, ShardPlan.DEFAULT_SHARD_BYTES, folder, options.withThreads(1)))
        .hasMessage("gone");
    Path partial = folder.resolve("model.safetensors.partial");
    try (var channel = FileChannel.open(partial, StandardOpenOption.WRITE)) {
      channel.truncate(channel.size() - 10_000);
      channel.write(ByteBuffer.allocate(100), 3_000_000);
    }
    Path journal = folder.resolve("merganser.unfinished/model.safetensors.journal");
    Files.writeString(journal, Files.readString(journal) + "2 00", StandardCharsets.US_ASCII);
    write(model, ShardPlan.DEFAULT_SHARD_BYTES, folder, options.withExisting(Existing.RESUME));
    assertThat(files(folder)).isEqualTo(files(plain(model, ShardPlan.DEFAULT_SHARD_BYTES)));
  }

  @Test
  void processesShareAFolder() throws IOException {
    Checkpoint model = model(1, 1);
    Path folder = temporary.resolve("out");
    for (int part : new int[] {1, 0}) {
      assertThatThrownBy(() -> ShardedWriter.index(folder)).isInstanceOf(IOException.class);
      write(model, SHARDS, folder, Options.defaults().withPart(part, 8));
    }
    assertThatThrownBy(() -> ShardedWriter.index(folder))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("shards are not complete");
    assertThatThrownBy(() -> write(model, SHARDS, folder, Options.defaults().withPart(1, 8)))
        .hasMessageContaining("holds this model, unfinished");
    for (int part = 2; part < 8; part++) {
      write(model, SHARDS, folder, Options.defaults().withPart(part, 8));
    }
    ShardedWriter.index(folder);
    ShardedWriter.index(folder);
    assertThat(files(folder)).isEqualTo(files(plain(model, SHARDS)));
    Path alone = temporary.resolve("alone");
    write(model, SHARDS, alone, Options.defaults());
    assertThat(folder.resolve("merganser.json"))
        .hasSameBinaryContentAs(alone.resolve("merganser.json"));
  }

  @Test
  void oneShardHasOneWriter() throws IOException {
    ShardPlan plan = ShardPlan.of(model(1, 1), SHARDS);
    Path folder = temporary.resolve("out");
    try (ShardedWriter first = ShardedWriter.open(plan, folder, Options.defaults())) {
      assertThatThrownBy(
              () ->
                  ShardedWriter.open(
                      plan, folder, Options.defaults().withExisting(Existing.RESUME)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("this process writes this shard already");
      first.write(model(1, 1), WS);
    }
    assertThat(files(folder)).isEqualTo(files(plain(model(1, 1), SHARDS)));
  }

  @Test
  void aModelIsReplacedOnRequest() throws IOException {
    Path folder = temporary.resolve("out");
    write(model(1, 1), 1, folder, Options.defaults());
    Files.writeString(folder.resolve("config.json"), "{}");
    assertThatThrownBy(() -> write(model(2, 1), SHARDS, folder, Options.defaults()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("is not empty")
        .hasMessageContaining("--force");
    write(model(2, 1), SHARDS, folder, Options.defaults().withExisting(Existing.REPLACE));
    Map<String, String> files = files(folder);
    assertThat(files.remove("config.json")).isNotNull();
    assertThat(files).isEqualTo(files(plain(model(2, 1), SHARDS)));
  }

  @Test
  void inputsAreNotWrittenTo() throws IOException {
    Path input = temporary.resolve("input");
    write(model(1, 1), SHARDS, input, Options.defaults());
    Path link = Files.createSymbolicLink(temporary.resolve("link"), input);
    Path farm = Files.createDirectory(temporary.resolve("farm"));
    Files.createSymbolicLink(
        farm.resolve("model.safetensors"), input.resolve("model-00001-of-00004.safetensors"));
    Checkpoint model = model(2, 1);
    for (List<Path> wrong :
        List.of(
            List.of(input, input),
            List.of(input, link),
            List.of(link, input),
            List.of(input.resolve("below/there"), link),
            List.of(input, farm.resolve("model.safetensors")),
            List.of(farm, farm.resolve("model.safetensors")))) {
      Options options =
          Options.defaults().withExisting(Existing.REPLACE).withInputs(List.of(wrong.get(1)));
      assertThatThrownBy(() -> write(model, SHARDS, wrong.get(0), options))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("is read there");
    }
    assertThat(input.resolve("below")).doesNotExist();
    write(model, SHARDS, temporary.resolve("inputs"), Options.defaults().withInputs(List.of(link)));
  }

  @Test
  void whatHasNoRoomIsNotBegun() throws IOException {
    Map<String, TensorInfo> huge = Map.of("a", TensorInfo.of(DType.F32, 1L << 50));
    Checkpoint model = new NoiseCheckpoint(huge, 1, 1);
    assertThatThrownBy(() -> write(model, SHARDS, temporary.resolve("out"), Options.defaults()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("free");
    assertThat(temporary).isEmptyDirectory();
  }

  @Test
  void whatIsThereNeedsNoRoom() throws IOException {
    ShardPlan.Shard shard = ShardPlan.of(model(1, 1), SHARDS).shards().get(0);
    List<Long> bytes = new ArrayList<>();
    for (TensorInfo info : shard.tensors().values()) {
      Pieces pieces = Pieces.of(info, Pieces.BYTES);
      for (int p = 0; p < pieces.count(); p++) {
        bytes.add(info.dtype().bytes(pieces.end(p) - pieces.begin(p)));
      }
    }
    assertThat(bytes).hasSize(shard.pieces());
    int last = bytes.size() - 1;
    try (ShardJournal journal =
        new ShardJournal(temporary.resolve("shard.journal"), shard.pieces())) {
      journal.add(last, "00000000");
      assertThat(Claim.written(shard, journal)).isEqualTo(bytes.get(last));
      for (int p = 0; p < last; p++) {
        journal.add(p, "00000000");
      }
      assertThat(Claim.written(shard, journal))
          .isEqualTo(shard.tensors().values().stream().mapToLong(TensorInfo::bytes).sum());
    }
  }

  @Test
  void anotherModelIsNotWritten() throws IOException {
    ShardPlan plan = ShardPlan.of(model(1, 1), SHARDS);
    Checkpoint other = model(1, 1).as(DType.F32);
    try (ShardedWriter writer =
        ShardedWriter.open(plan, temporary.resolve("out"), Options.defaults())) {
      assertThatThrownBy(() -> writer.write(other, WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("planned as");
    }
  }

  @Test
  void aCancelledWriterGoesOnLater() throws IOException {
    Cancellation cancellation = new Cancellation();
    Checkpoint model = model(1, 1);
    ShardPlan plan = ShardPlan.of(model, SHARDS);
    Path folder = temporary.resolve("out");
    List<Long> reported = new ArrayList<>();
    try (Workspace ws =
            Workspace.builder()
                .threads(2)
                .cancellation(cancellation)
                .progress(
                    (stage, done, total) -> {
                      reported.add(done);
                      if (done > 1_000_000) {
                        cancellation.cancel();
                      }
                    })
                .open();
        ShardedWriter writer = ShardedWriter.open(plan, folder, Options.defaults())) {
      assertThatThrownBy(() -> writer.write(model, ws)).isInstanceOf(CancelledException.class);
    }
    assertThat(reported).isSorted().hasSizeLessThan(8);
    write(model, SHARDS, folder, Options.defaults().withExisting(Existing.RESUME));
    assertThat(files(folder)).isEqualTo(files(plain(model, SHARDS)));
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  /** Fails at one of its readings, the same for one thread. */
  private static final class Failing extends CheckpointView {
    private final Checkpoint source;
    private final int failing;
    private int reads;

    Failing(Checkpoint source, int failing) {
      super(source);
      this.source = source;
      this.failing = failing;
    }

    int parts() {
      return source.tensors().values().stream()
          .mapToInt(info -> Pieces.of(info, Pieces.BYTES).count())
          .sum();
    }

    @Override
    protected synchronized void fill(String name, long from, long to, Tensor into, Workspace ws)
        throws IOException {
      if (reads == failing) {
        throw new IOException("gone");
      }
      reads++;
      source.readRange(name, from, to, into, ws);
    }
  }
}
