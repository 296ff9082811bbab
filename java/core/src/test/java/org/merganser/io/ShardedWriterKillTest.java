// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.StoppedWriterProgram;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.NoiseCheckpoint;
import org.merganser.testing.RunsOnce;
import org.merganser.testing.ShardedWriterProgram;

/**
 * Processes that are killed at random moments, then go on: the bytes of an undisturbed run. {@code
 * -Dmerganser.kills=100} for as many.
 */
@RunsOnce("in JVMs of their own, which are told their backend")
class ShardedWriterKillTest {
  private static final int KILLS = Integer.getInteger("merganser.kills", 4);

  /** So that a run that nobody kills takes some 0.2 s for its parts. */
  private static final String MILLIS = "15";

  @TempDir Path temporary;

  @Test
  void theBytesAreThoseOfAnUndisturbedRun() throws Exception {
    Map<String, byte[]> wanted = undisturbed();
    SplittableRandom random = new SplittableRandom(11);
    int stopped = 0;
    int folders = 0;
    while (stopped < KILLS) {
      Path folder = temporary.resolve("out" + folders++);
      while (!run(folder, random)) {
        stopped++;
        check(folder, wanted);
      }
      assertThat(check(folder, wanted)).isEqualTo(wanted.size());
      assertThat(folder.resolve(OutputFolder.STATE)).doesNotExist();
    }
  }

  @Test
  void processesWriteOneModelAtTheSameTime() throws Exception {
    Path folder = temporary.resolve("out");
    List<Process> writers = new ArrayList<>();
    for (int part = 0; part < 3; part++) {
      writers.add(
          new ChildJvm().start(ShardedWriterProgram.class, folder + "", "1", "5", part + "", "3"));
    }
    for (Process writer : writers) {
      assertThat(new String(writer.getInputStream().readAllBytes())).isEqualTo("writing\n");
      assertThat(writer.waitFor()).isZero();
    }
    ShardedWriter.index(folder);
    Map<String, byte[]> wanted = undisturbed();
    assertThat(check(folder, wanted)).isEqualTo(wanted.size());
  }

  @Test
  void whatAProcessWritesIsLeftToIt() throws Exception {
    Map<String, byte[]> wanted = undisturbed();
    Path folder = temporary.resolve("out");
    Process writer =
        new ChildJvm().start(ShardedWriterProgram.class, folder + "", "1", "200", "0", "1");
    assertThat(writer.inputReader().readLine()).isEqualTo("writing");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      ShardPlan plan =
          ShardPlan.of(ShardedWriterProgram.model(ws), ShardedWriterProgram.SHARD_BYTES);
      for (Existing existing : List.of(Existing.RESUME, Existing.REPLACE)) {
        Options options = Options.defaults().withJob("test").withExisting(existing);
        assertThatThrownBy(() -> ShardedWriter.open(plan, folder, options))
            .isInstanceOf(IOException.class)
            .hasMessageContaining("another process writes this shard");
      }
    }
    assertThat(writer.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(writer.exitValue()).isZero();
    assertThat(check(folder, wanted)).isEqualTo(wanted.size());
  }

  /** A process that closes a file anywhere loses its locks of it. */
  @Test
  void aSecondWriterOfTheProcessLeavesTheLock() throws Exception {
    Path folder = temporary.resolve("out");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = ShardedWriterProgram.model(ws);
      ShardPlan plan = ShardPlan.of(model, ShardedWriterProgram.SHARD_BYTES);
      Options options = Options.defaults().withJob("test").withExisting(Existing.RESUME);
      try (ShardedWriter writer = ShardedWriter.open(plan, folder, options)) {
        for (Existing existing : List.of(Existing.RESUME, Existing.REPLACE)) {
          assertThatThrownBy(() -> ShardedWriter.open(plan, folder, options.withExisting(existing)))
              .hasMessageContaining("this process writes this shard already");
        }
        ChildJvm.Result other =
            new ChildJvm().run(ShardedWriterProgram.class, folder + "", "1", "0", "0", "1");
        assertThat(other.output()).contains("another process writes this shard");
        writer.write(model, ws);
      }
    }
    assertThat(check(folder, undisturbed())).isPositive();
  }

  /**
   * Ended after each step of claiming, writing and finishing, one after the other; of replacing a
   * model after each until the new one is begun.
   */
  @ParameterizedTest
  @EnumSource(
      value = Existing.class,
      names = {"RESUME", "REPLACE"})
  void endedAfterAnyStep(Existing existing) throws Exception {
    Map<String, byte[]> wanted = undisturbed(StoppedWriterProgram.SHARD_BYTES);
    for (int step = 1; ; step++) {
      Path folder = temporary.resolve(existing + "-" + step);
      Map<String, byte[]> before = Map.of();
      if (existing == Existing.REPLACE) {
        before = earlier(folder);
      }
      ChildJvm.Result run =
          new ChildJvm().run(StoppedWriterProgram.class, folder + "", step + "", existing + "");
      for (Map.Entry<String, byte[]> file : files(folder).entrySet()) {
        assertThat(
                Arrays.equals(file.getValue(), wanted.get(file.getKey()))
                    || Arrays.equals(file.getValue(), before.get(file.getKey())))
            .as("%s is whole after step %d", file.getKey(), step)
            .isTrue();
      }
      if (run.exit() == 0) {
        assertThat(step).isGreaterThan(12);
        assertThat(files(folder).keySet()).isEqualTo(wanted.keySet());
        return;
      }
      assertThat(run.exit()).as(run.output()).isEqualTo(StoppedWriterProgram.KILLED);
      boolean begun = Files.exists(folder.resolve(OutputFolder.STATE).resolve(WriteJob.FILE));
      write(folder, StoppedWriterProgram.SHARD_BYTES, begun ? Existing.RESUME : existing);
      assertThat(check(folder, wanted)).isEqualTo(wanted.size());
      assertThat(folder.resolve(OutputFolder.STATE)).doesNotExist();
      if (begun && existing == Existing.REPLACE) {
        assertThat(step).isGreaterThan(5);
        return;
      }
    }
  }

  /** Another model, in as many files. */
  private static Map<String, byte[]> earlier(Path folder) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 5, 1);
      ShardPlan plan = ShardPlan.of(model, StoppedWriterProgram.SHARD_BYTES);
      try (ShardedWriter writer = ShardedWriter.open(plan, folder, Options.defaults())) {
        writer.write(model, ws);
      }
    }
    return files(folder);
  }

  private Map<String, byte[]> undisturbed() throws IOException {
    return undisturbed(ShardedWriterProgram.SHARD_BYTES);
  }

  private Map<String, byte[]> undisturbed(long shardBytes) throws IOException {
    Path folder = temporary.resolve("plain");
    write(folder, shardBytes, Existing.REFUSE);
    return files(folder);
  }

  private static void write(Path folder, long shardBytes, Existing existing) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = ShardedWriterProgram.model(ws);
      ShardPlan plan = ShardPlan.of(model, shardBytes);
      Options options = Options.defaults().withJob("test").withExisting(existing);
      try (ShardedWriter writer = ShardedWriter.open(plan, folder, options)) {
        writer.write(model, ws);
      }
    }
  }

  /** Returns whether the process ended by itself, with the model. */
  private boolean run(Path folder, SplittableRandom random) throws Exception {
    String threads = String.valueOf(1 + random.nextInt(3));
    Process writer =
        new ChildJvm().start(ShardedWriterProgram.class, folder + "", threads, MILLIS, "0", "1");
    String line = writer.inputReader().readLine();
    assertThat(line).isEqualTo("writing");
    boolean ended = writer.waitFor(random.nextInt(300), TimeUnit.MILLISECONDS);
    writer.destroyForcibly();
    assertThat(writer.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(!ended || writer.exitValue() == 0).isTrue();
    return ended;
  }

  /** Whatever has its final name is whole. Returns how many files have. */
  private static int check(Path folder, Map<String, byte[]> wanted) throws IOException {
    Map<String, byte[]> files = files(folder);
    files.forEach((name, bytes) -> assertThat(bytes).as(name).isEqualTo(wanted.get(name)));
    if (files.containsKey(ShardIndex.FILE)) {
      assertThat(files).hasSameSizeAs(wanted);
    }
    return files.size();
  }

  private static Map<String, byte[]> files(Path folder) throws IOException {
    Map<String, byte[]> files = new HashMap<>();
    if (Files.exists(folder)) {
      try (Stream<Path> all = Files.list(folder)) {
        for (Path file : all.toList()) {
          String name = file.getFileName().toString();
          if (!name.endsWith(".partial")
              && !name.equals(OutputFolder.STATE)
              && !name.equals(FolderLock.NAME)) {
            files.put(name, Files.readAllBytes(file));
          }
        }
      }
    }
    return files;
  }
}
