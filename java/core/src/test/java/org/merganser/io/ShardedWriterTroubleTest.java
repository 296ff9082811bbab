// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.SlerpMerger;
import org.merganser.testing.Counted;
import org.merganser.testing.NoiseCheckpoint;
import org.merganser.testing.SettledMemory;

/** Full disks, interruptions, large tensors, and threads that need the same tensor. */
class ShardedWriterTroubleTest {
  @TempDir Path temporary;

  private static final Checkpoint MODEL = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 1, 1);

  private static void write(Checkpoint model, Path to, Options options) throws IOException {
    try (ShardedWriter writer = ShardedWriter.open(ShardPlan.of(model, 6_000_000), to, options)) {
      writer.write(model, WS);
    }
  }

  /** One that fills up with what others write: the room was there at the start. */
  @Test
  void aDiskThatFillsUpIsNamedAndGoneOnWithLater() throws Exception {
    Path disk = Files.createDirectory(temporary.resolve("disk"));
    Process mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk.toString())
            .redirectErrorStream(true)
            .start();
    assumeTrue(mount.waitFor() == 0, "a small file system cannot be mounted here");
    try {
      Path out = disk.resolve("out");
      Path other = disk.resolve("other");
      ShardPlan plan = ShardPlan.of(MODEL, 6_000_000);
      try (ShardedWriter writer = ShardedWriter.open(plan, out, Options.defaults())) {
        Files.write(other, new byte[24 << 20]);
        assertThatThrownBy(() -> writer.write(MODEL, WS))
            .isInstanceOf(IOException.class)
            .hasMessageStartingWith("cannot write " + out)
            .hasMessageContaining("No space left on device")
            .hasMessageContaining("free");
      }
      assertThat(out.resolve(ShardIndex.FILE)).doesNotExist();
      Files.delete(other);
      write(MODEL, out, Options.defaults().withExisting(Existing.RESUME));
      assertThat(ShardedWriter.verify(out, WS)).isEmpty();
    } finally {
      new ProcessBuilder("umount", disk.toString()).start().waitFor();
    }
  }

  @Test
  void anInterruptedCallerGetsTheWholeModel() throws IOException {
    Path folder = temporary.resolve("out");
    Thread.currentThread().interrupt();
    write(MODEL, folder, Options.defaults());
    assertThat(Thread.interrupted()).isTrue();
    assertThat(ShardedWriter.verify(folder, WS)).isEmpty();
  }

  @Test
  void nothingIsWrittenThroughALink() throws IOException {
    Path folder = temporary.resolve("out");
    Path precious = Files.writeString(temporary.resolve("precious"), "mine");
    ShardPlan plan = ShardPlan.of(MODEL, 6_000_000);
    ShardedWriter.open(plan, folder, Options.defaults().withPart(0, 4)).close();
    Files.createSymbolicLink(folder.resolve("model-00002-of-00004.safetensors.partial"), precious);
    assertThatThrownBy(() -> ShardedWriter.open(plan, folder, Options.defaults().withPart(1, 4)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no regular file");
    assertThat(precious).hasContent("mine");
  }

  /** A merge holds a tile of each model and a part of the output, whatever a tensor measures. */
  @Test
  void memoryDoesNotGrowWithTensors() throws IOException {
    assumeTrue(WS.device() == Device.HOST, "memory of a device is not counted");
    long small = most(2048);
    long large = most(16384);
    assertThat(large).isEqualTo(small);
  }

  private long most(int rows) throws IOException {
    Map<String, TensorInfo> shapes = Map.of("w", TensorInfo.of(DType.F32, rows, 1024));
    Counted a = new Counted(new NoiseCheckpoint(shapes, 1, 1));
    Counted b = new Counted(new NoiseCheckpoint(shapes, 2, 1));
    Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(a, b), WS);
    long before = SettledMemory.bytes();
    write(merged, temporary.resolve("out" + rows), Options.defaults().withThreads(1));
    long held = Math.max(a.mostBytes(), b.mostBytes()) - before;
    assertThat(held).isBetween(1L, ShardPlan.of(merged, 6_000_000).memory(1) + (4 << 20));
    return held;
  }

  /** While one thread goes through a tensor, another does so with the next. */
  @Test
  void statisticsOfTwoTensorsAreTakenAtTheSameTime() throws IOException {
    assumeTrue(WS.device() == Device.HOST, "a device is not divided");
    Map<String, TensorInfo> shapes = new HashMap<>();
    shapes.put("a", TensorInfo.of(DType.F32, 900_000));
    shapes.put("b", TensorInfo.of(DType.F32, 900_000));
    CountDownLatch both = new CountDownLatch(2);
    Set<String> first = ConcurrentHashMap.newKeySet();
    Checkpoint source = new NoiseCheckpoint(shapes, 1, 1);
    Checkpoint waiting =
        new CheckpointView(source) {
          @Override
          protected void fill(String name, long from, long to, Tensor into, Workspace ws)
              throws IOException {
            if (first.add(name)) {
              both.countDown();
              await(both);
            }
            source.readRange(name, from, to, into, ws);
          }
        };
    Checkpoint merged =
        SlerpMerger.of(SlerpMerger.Options.defaults())
            .merge(MergeProblem.of(waiting, new NoiseCheckpoint(shapes, 2, 1)), WS);
    write(merged, temporary.resolve("out"), Options.defaults().withThreads(2));
    assertThat(both.getCount()).isZero();
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(30, TimeUnit.SECONDS)).as("the other tensor is read").isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Killed between the index and the end. */
  @Test
  void whatIsLeftOfAFinishedModelIsRemoved() throws IOException {
    Path folder = temporary.resolve("out");
    ShardPlan plan = ShardPlan.of(MODEL, 6_000_000);
    ShardedWriter.open(plan, folder, Options.defaults()).close();
    Path state = folder.resolve(OutputFolder.STATE);
    String job = Files.readString(state.resolve(WriteJob.FILE));
    Files.delete(state.resolve("model-00003-of-00004.safetensors.journal"));
    write(MODEL, folder, Options.defaults().withExisting(Existing.RESUME));
    for (boolean indexed : new boolean[] {true, false}) {
      Files.writeString(Files.createDirectory(state).resolve(WriteJob.FILE), job);
      if (indexed) {
        ShardedWriter.index(folder);
      } else {
        write(unreadable(), folder, Options.defaults().withExisting(Existing.RESUME));
      }
      assertThat(state).doesNotExist();
      assertThat(ShardedWriter.verify(folder, WS)).isEmpty();
    }
  }

  private static Checkpoint unreadable() {
    return new CheckpointView(MODEL) {
      @Override
      protected void fill(String name, long from, long to, Tensor into, Workspace ws) {
        throw new AssertionError(name + " is read");
      }
    };
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "|provenance is not one JSON object",
        "[]|provenance is not one JSON object",
        "{|no valid JSON",
        "{\"provenance\": \"{}\"}|it names no shards",
        "{\"provenance\": \"{}\", \"shards\": [\"../model.safetensors\"]}|is no name of a shard",
        "{\"provenance\": \"{\", \"shards\": [\"model.safetensors\"]}|provenance is no valid JSON",
        "{\"provenance\": \"{}\", \"shards\": [\"model.safetensors\"]}|1 of 1 shards are not"
            + " complete"
      })
  void aDamagedJobIsRefused(String text, String message) throws IOException {
    Path folder = temporary.resolve("out");
    ShardedWriter.open(ShardPlan.of(MODEL, 6_000_000), folder, Options.defaults()).close();
    Path job = folder.resolve(OutputFolder.STATE).resolve(WriteJob.FILE);
    Files.writeString(job, text == null ? "" : text);
    assertThatThrownBy(() -> ShardedWriter.index(folder))
        .isInstanceOfAny(IOException.class, FormatException.class)
        .hasMessageContaining(message);
    assertThatThrownBy(() -> write(MODEL, folder, Options.defaults().withExisting(Existing.RESUME)))
        .isInstanceOfAny(IOException.class, FormatException.class);
    write(MODEL, folder, Options.defaults().withExisting(Existing.REPLACE));
    assertThat(ShardedWriter.verify(folder, WS)).isEmpty();
  }

  /** What a process that was killed before it wrote down its job left is no model. */
  @Test
  void anEmptyStateIsNothing() throws IOException {
    Path folder = temporary.resolve("out");
    Files.createDirectories(folder.resolve(OutputFolder.STATE));
    Files.createFile(folder.resolve(FolderLock.NAME));
    write(MODEL, folder, Options.defaults());
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString()).sorted().toList())
          .isEqualTo(
              List.of(
                  "merganser.json",
                  "model-00001-of-00004.safetensors",
                  "model-00002-of-00004.safetensors",
                  "model-00003-of-00004.safetensors",
                  "model-00004-of-00004.safetensors",
                  "model.safetensors.index.json"));
    }
  }
}
