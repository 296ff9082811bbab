// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.testing.ChildJvm;
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

  private Map<String, byte[]> undisturbed() throws IOException {
    Path folder = temporary.resolve("plain");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      Checkpoint model = ShardedWriterProgram.model(ws);
      ShardPlan plan = ShardPlan.of(model, ShardedWriterProgram.SHARD_BYTES);
      try (ShardedWriter writer =
          ShardedWriter.open(plan, folder, Options.defaults().withJob("test"))) {
        writer.write(model, ws);
      }
    }
    return files(folder);
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
          if (!name.endsWith(".partial") && !name.equals(OutputFolder.STATE)) {
            files.put(name, Files.readAllBytes(file));
          }
        }
      }
    }
    return files;
  }
}
