// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.CancelledException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Work;

/** What is closed by one thread while another uses it, and what is shared by several. */
class CloseWhileInUseTest {
  private static final int N = 300;

  private final ExecutorService pool = Executors.newCachedThreadPool();

  @AfterEach
  void stop() {
    pool.shutdownNow();
  }

  @Test
  void aWorkspaceClosedDuringProductsRefusesTheNextOne() throws Exception {
    try (Matrix a = numbered(N, N);
        Matrix once = squared(a)) {
      for (int i = 0; i < 20; i++) {
        Workspace ws = Workspace.builder().threads(2).open();
        Future<Integer> products = pool.submit(() -> untilRefused(a, once, ws));
        Thread.sleep(i % 5);
        ws.close();
        ws.close();
        assertThat(products.get()).isNotNegative();
      }
    }
  }

  @Test
  void aMatrixClosedDuringProductsLastsUntilTheyEnd() throws Exception {
    try (Workspace ws = Workspace.builder().threads(2).open();
        Matrix kept = numbered(N, N);
        Matrix once = squared(kept)) {
      for (int i = 0; i < 20; i++) {
        Matrix a = kept.copy();
        Future<Integer> products = pool.submit(() -> untilRefused(a, once, ws));
        Thread.sleep(i % 5);
        a.close();
        assertThat(products.get()).isNotNegative();
      }
    }
  }

  /** Number of right products before the first that is refused. */
  private static int untilRefused(Matrix a, Matrix squared, Workspace ws) {
    for (int done = 0; ; done++) {
      try {
        requireSame(LinAlg.multiply(a, a, ws), squared);
      } catch (IllegalStateException e) {
        assertThat(e).hasMessageEndingWith("is already closed");
        return done;
      }
    }
  }

  @Test
  void memoryIsFreedWhenTheLastUserLeaves() throws Exception {
    Memory memory = Memory.allocate(1 << 20);
    memory.putByte(0, (byte) 5);
    long before = Natives.allocatedBytes();
    try (var view = Block.view(memory, 0, 16)) {
      memory.close();
      assertThat(view.buffer().get(0)).isEqualTo((byte) 5);
      assertThat(Natives.allocatedBytes()).isEqualTo(before);
    }
    assertThat(Natives.allocatedBytes()).isEqualTo(before - (1 << 20));
  }

  @Test
  void aBufferOutlivesTheMemoryItShows() {
    Memory memory = Memory.allocate(64);
    memory.putLong(8, 42);
    ByteBuffer buffer = memory.slice(8, 8).buffer(0, 8);
    memory.close();
    assertThat(buffer.getLong(0)).isEqualTo(42);
    assertThatThrownBy(() -> memory.buffer(0, 1)).isInstanceOf(IllegalStateException.class);
  }

  /** The first reader is not counted, so only the collector knows when it has ended. */
  @Test
  void memoryFirstReadByAnotherThreadIsLeftToTheCollector() throws Exception {
    long before = Natives.allocatedBytes();
    closeWhatAnotherReads();
    for (int i = 0; i < 100 && Natives.allocatedBytes() > before; i++) {
      System.gc();
      Thread.sleep(20);
    }
    assertThat(Natives.allocatedBytes()).isLessThanOrEqualTo(before);
  }

  private void closeWhatAnotherReads() throws Exception {
    Memory memory = Memory.allocate(1 << 20);
    long opened = Natives.allocatedBytes();
    pool.submit(() -> memory.putByte(0, (byte) 1)).get();
    memory.close();
    assertThat(Natives.allocatedBytes()).isEqualTo(opened);
    assertThatThrownBy(() -> memory.getByte(0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void laterReadersAreCounted() throws Exception {
    Memory memory = Memory.allocate(1 << 20);
    memory.putByte(0, (byte) 1);
    long opened = Natives.allocatedBytes();
    assertThat(pool.submit(() -> memory.getByte(0)).get()).isEqualTo((byte) 1);
    memory.close();
    assertThat(Natives.allocatedBytes()).isEqualTo(opened - (1 << 20));
  }

  @Test
  void threadsThatShareAWorkspaceTakeTurns() throws Exception {
    try (Workspace ws = Workspace.builder().threads(2).open();
        Matrix a = numbered(70, 70);
        Matrix product = squared(a);
        Polar polar = Polar.factorOnly(a, DType.F64, ws);
        Matrix factor = polar.factor().toHost(ws)) {
      int[] columns = Assignment.maximise(a, ws).columns();
      List<Callable<Void>> calls = new ArrayList<>();
      for (int t = 0; t < 8; t++) {
        int kind = t % 3;
        calls.add(
            () -> {
              for (int i = 0; i < 40; i++) {
                switch (kind) {
                  case 0 -> requireSame(LinAlg.multiply(a, a, ws), product);
                  case 1 -> requireSame(Polar.factorOnly(a, DType.F64, ws).factor(), factor);
                  default -> assertThat(Assignment.maximise(a, ws).columns()).isEqualTo(columns);
                }
              }
              return null;
            });
      }
      for (Future<Void> call : pool.invokeAll(calls)) {
        call.get();
      }
    }
  }

  private static void requireSame(Matrix found, Matrix wanted) {
    try (found;
        Matrix host = found.toHost(Work.WS)) {
      assertThat(host.asTensor().sameBytes(wanted.asTensor())).isTrue();
    }
  }

  @Test
  void aWorkspaceMayBeClosedByItsOwnProgress(@TempDir Path folder) {
    Workspace[] ws = new Workspace[1];
    ws[0] = Workspace.builder().progress((stage, done, total) -> ws[0].close()).open();
    try (Checkpoint model = model()) {
      assertThatThrownBy(
              () -> {
                Safetensors.write(model, folder.resolve("a.safetensors"), ws[0]);
                model.read("t", ws[0]).to(DType.BF16, ws[0]);
              })
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("this Workspace is already closed");
    }
  }

  /** A closed Workspace whose routine still runs can be cancelled; later it is not touched. */
  @Test
  void cancellingWhatIsClosedIsHarmless() throws Exception {
    Cancellation cancellation = new Cancellation();
    try (Matrix a = numbered(900, 900)) {
      Workspace ws = Workspace.builder().threads(1).cancellation(cancellation).open();
      Future<?> running =
          pool.submit(
              () -> {
                try {
                  Polar.of(a, ws).factor().close();
                } catch (CancelledException | IllegalStateException e) {
                  // Either, or a result.
                }
              });
      Thread.sleep(10);
      ws.close();
      cancellation.cancel();
      running.get();
      cancellation.cancel();
    }
  }

  /** A reader that is interrupted reads on and stays interrupted; the others notice nothing. */
  @Test
  @SuppressWarnings("try") // closed on purpose before its end
  void anInterruptedReaderDisturbsNobody(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("a.safetensors");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint model = model()) {
      Safetensors.write(model, file, ws);
      Checkpoint opened = Safetensors.open(file);
      try (opened;
          Tensor wanted = model.read("t", ws)) {
        List<Future<Boolean>> readers = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
          boolean interrupted = t % 2 == 0;
          readers.add(
              pool.submit(
                  () -> {
                    for (int i = 0; i < 200; i++) {
                      if (interrupted) {
                        Thread.currentThread().interrupt();
                      }
                      try (Tensor found = opened.read("t", ws)) {
                        assertThat(found.sameBytes(wanted)).isTrue();
                      }
                    }
                    return Thread.interrupted();
                  }));
        }
        for (int t = 0; t < 4; t++) {
          assertThat(readers.get(t).get()).isEqualTo(t % 2 == 0);
        }
      }
      assertThatThrownBy(() -> opened.read("t", ws))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(file + " is already closed");
    }
  }

  @Test
  void anInterruptedThreadOpensAndReads(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("a.safetensors");
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint model = model()) {
      Safetensors.write(model, file, ws);
      Thread.currentThread().interrupt();
      try (Checkpoint opened = Safetensors.open(file);
          Tensor wanted = model.read("t", ws);
          Tensor found = opened.read("t", ws)) {
        assertThat(found.sameBytes(wanted)).isTrue();
      } finally {
        assertThat(Thread.interrupted()).isTrue();
      }
    }
  }

  private static MemoryCheckpoint model() {
    float[] values = new float[10_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    return MemoryCheckpoint.of(Map.of("t", Tensor.of(values, 100, 100)));
  }

  private static Matrix numbered(int rows, int columns) {
    Matrix matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        matrix.set(i, j, (i * 31 + j * 17) % 101 - 50);
      }
    }
    return matrix;
  }

  private static Matrix squared(Matrix a) {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      return LinAlg.multiply(a, a, ws).toHost(ws);
    }
  }
}
