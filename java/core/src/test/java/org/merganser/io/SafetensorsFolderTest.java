// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.FolderWriterProgram.model;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.FolderWriterProgram;
import org.merganser.testing.RunsOnce;

/** A model in a folder is replaced as a whole or stays. */
class SafetensorsFolderTest {
  private static final long FOUR_SHARDS = 2048;
  private static final long TWO_SHARDS = 4096;
  private static final long ONE_FILE = 1 << 20;
  private static final String INDEX = "model.safetensors.index.json";

  @TempDir Path folder;

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  /** The value that the whole model consists of. */
  private static float value(Path folder) throws IOException {
    Set<Double> values = new HashSet<>();
    try (Checkpoint read = Safetensors.open(folder)) {
      assertThat(read.tensors()).hasSize(4);
      for (String name : read.tensors().keySet()) {
        try (Tensor tensor = read.read(name, WS)) {
          values.add(tensor.get(0));
          values.add(tensor.get(511));
        }
      }
    }
    assertThat(values).hasSize(1);
    return values.iterator().next().floatValue();
  }

  private static Checkpoint failingAt(String tensor, Checkpoint source) {
    return new Checkpoint() {
      @Override
      public Map<String, TensorInfo> tensors() {
        return source.tensors();
      }

      @Override
      public void readRange(String name, long from, long to, Tensor into, Workspace ws)
          throws IOException {
        if (name.equals(tensor)) {
          throw new IOException("the disk is gone");
        }
        source.readRange(name, from, to, into, ws);
      }
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"t0", "t1", "t2", "t3"})
  void aFailureLeavesTheModelThatWasThere(String tensor) throws IOException {
    for (long before : new long[] {FOUR_SHARDS, TWO_SHARDS, ONE_FILE}) {
      Safetensors.writeFolder(model(1), folder, before, WS);
      List<String> names = names();
      for (long shardBytes : new long[] {FOUR_SHARDS, TWO_SHARDS, ONE_FILE}) {
        assertThatThrownBy(
                () -> Safetensors.writeFolder(failingAt(tensor, model(2)), folder, shardBytes, WS))
            .hasMessage("the disk is gone");
        assertThat(names()).isEqualTo(names);
        assertThat(value(folder)).isEqualTo(1);
      }
    }
  }

  @Test
  void filesOfTheModelThatWasThereGoAndNoOthers() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{}");
    Files.writeString(folder.resolve("mine.safetensors"), "not of the model");
    long[] sizes = {FOUR_SHARDS, FOUR_SHARDS, TWO_SHARDS, ONE_FILE, ONE_FILE, FOUR_SHARDS};
    for (int i = 0; i < sizes.length; i++) {
      Safetensors.writeFolder(model(i), folder, sizes[i], WS);
      assertThat(value(folder)).isEqualTo(i);
      List<String> wanted = new ArrayList<>(List.of("config.json", "mine.safetensors"));
      int shards = (int) (4 * FOUR_SHARDS / sizes[i]);
      for (int s = 1; s <= shards; s++) {
        wanted.add(String.format("model-%05d-of-%05d.safetensors", s, shards));
      }
      wanted.add(shards == 0 ? "model.safetensors" : INDEX);
      assertThat(names()).containsExactlyInAnyOrderElementsOf(wanted);
    }
    assertThat(folder.resolve("mine.safetensors")).hasContent("not of the model");
  }

  /** However often a folder was written, its bytes are those of the model. */
  @ParameterizedTest
  @ValueSource(longs = {ONE_FILE, FOUR_SHARDS})
  void anInterruptedWriterWritesTheWholeFolder(long shardBytes, @TempDir Path fresh)
      throws IOException {
    Safetensors.writeFolder(model(1), folder, FOUR_SHARDS, WS);
    Thread.currentThread().interrupt();
    Safetensors.writeFolder(model(2), folder, shardBytes, WS);
    assertThat(Thread.interrupted()).isTrue();
    Safetensors.writeFolder(model(2), fresh, shardBytes, WS);
    try (Stream<Path> files = Files.list(fresh)) {
      assertThat(names())
          .containsExactlyInAnyOrderElementsOf(files.map(f -> f.getFileName().toString()).toList());
    }
    for (String name : names()) {
      assertThat(folder.resolve(name)).hasSameBinaryContentAs(fresh.resolve(name));
    }
  }

  @Test
  void aRewrittenFolderHoldsTheBytesOfAFreshOne(@TempDir Path fresh) throws IOException {
    Safetensors.writeFolder(model(1), folder, FOUR_SHARDS, WS);
    Safetensors.writeFolder(model(2), folder, FOUR_SHARDS, WS);
    Safetensors.writeFolder(model(2), fresh, FOUR_SHARDS, WS);
    for (String name : names()) {
      assertThat(folder.resolve(name)).hasSameBinaryContentAs(fresh.resolve(name));
    }
  }

  @Test
  void permissionsStay() throws IOException {
    Safetensors.writeFolder(model(1), folder, FOUR_SHARDS, WS);
    for (String name : names()) {
      Files.setPosixFilePermissions(
          folder.resolve(name), PosixFilePermissions.fromString("rw-r-----"));
    }
    Safetensors.writeFolder(model(2), folder, FOUR_SHARDS, WS);
    for (String name : names()) {
      assertThat(Files.getPosixFilePermissions(folder.resolve(name)))
          .isEqualTo(PosixFilePermissions.fromString("rw-r-----"));
    }
  }

  /** Shards without an index belong to nobody known: they stay, under their names. */
  @Test
  void aShardThatNoIndexNamesIsNotReplaced() throws IOException {
    Path foreign = folder.resolve("model-00002-of-00004.safetensors");
    Files.writeString(foreign, "foreign");
    Safetensors.writeFolder(model(2), folder, FOUR_SHARDS, WS);
    assertThat(foreign).hasContent("foreign");
    assertThat(value(folder)).isEqualTo(2);
  }

  @Test
  void writersAtOnceEndWithOneWholeModel() throws Exception {
    var pool = Executors.newFixedThreadPool(4);
    try {
      for (int round = 0; round < 15; round++) {
        Path shared = Files.createDirectory(folder.resolve("round" + round));
        if (round % 2 == 1) {
          Safetensors.writeFolder(model(9), shared, FOUR_SHARDS, WS);
        }
        List<Callable<Void>> writers = new ArrayList<>();
        for (int k = 0; k < 4; k++) {
          int value = k;
          writers.add(
              () -> {
                try (Workspace ws = Workspace.builder().threads(1).open();
                    MemoryCheckpoint model = model(value)) {
                  Safetensors.writeFolder(model, shared, FOUR_SHARDS, ws);
                }
                return null;
              });
        }
        int written = 0;
        for (Future<Void> done : pool.invokeAll(writers)) {
          try {
            done.get();
            written++;
          } catch (ExecutionException e) {
            assertThat(e.getCause()).isInstanceOf(IOException.class);
          }
        }
        assertThat(written).isPositive();
        assertThat(value(shared)).isBetween(0f, 3f);
      }
    } finally {
      pool.shutdown();
    }
  }

  @RunsOnce("in a JVM of its own, which is told its backend")
  @Test
  void aWriterThatIsKilledLeavesOneWholeModel() throws Exception {
    Safetensors.writeFolder(model(0), folder, FOUR_SHARDS, WS);
    SplittableRandom random = new SplittableRandom(5);
    Set<Float> seen = new HashSet<>();
    for (int kill = 0; kill < 5; kill++) {
      Process writer = new ChildJvm().start(FolderWriterProgram.class, folder.toString());
      // A line is printed when a model is written; every child is killed in another turn.
      for (int turn = 0; turn <= 2 * kill; turn++) {
        while (writer.getInputStream().read() != '\n') {
          assertThat(writer.isAlive()).isTrue();
        }
      }
      Thread.sleep(random.nextInt(60));
      writer.destroyForcibly();
      assertThat(writer.waitFor(30, TimeUnit.SECONDS)).isTrue();
      seen.add(value(folder));
    }
    assertThat(seen).hasSizeGreaterThan(1);
  }
}
