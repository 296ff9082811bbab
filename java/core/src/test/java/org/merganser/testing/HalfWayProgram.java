// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.model.MapFamily;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.RepairProblem;
import org.merganser.repair.RepairRescale;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;

/**
 * Lets operations fail in the middle, prints what they throw, and waits for the collector.
 * Everything here is closed, so what the collector frees was left by an operation.
 */
public final class HalfWayProgram {
  private static final NormedMlp NETWORK = new NormedMlp(false, 4, 6, 5, 3);
  private static final int BATCH = 10;

  private HalfWayProgram() {}

  public static void main(String[] args) throws Exception {
    Cancellation cancellation = new Cancellation();
    try (Workspace ws = Workspace.builder().threads(2).open();
        Workspace own = Workspace.builder().threads(2).cancellation(cancellation).open();
        MemoryCheckpoint a = NETWORK.random(DType.F32, 1, ws);
        MemoryCheckpoint b = NETWORK.random(DType.F32, 2, ws);
        Tensor x = Tensor.zeros(DType.F64, 50, 4)) {
      List<MemoryCheckpoint> models = List.of(a, b);
      Moments.Options small = new Moments.Options(Precision.AUTO, NonFinite.FAIL, 1);
      fails(
          "the second pass",
          () -> {
            Rows rows = new Rows(x, 7, cancellation);
            return Moments.collect(NETWORK, models, rows, Activations.ALL, small, own);
          });
      fails("logits", () -> Evaluation.logits(NETWORK, a, new Rows(x, 4, null), ws));
      NormedMlp normed = new NormedMlp(true, 4, 6, 5, 3);
      try (MemoryCheckpoint c = normed.random(DType.F32, 3, ws)) {
        fails("reset", () -> new BatchNormReset().apply(c, normed, new Rows(x, 4, null), ws));
      }
      fails(
          "repair",
          () -> {
            // After the statistics of the endpoints, and those of the first layer.
            Rows rows = new Rows(x, 13, null);
            return RepairRescale.measured().apply(RepairProblem.of(NETWORK, a, models, rows), ws);
          });
      mergeOfClosedMoments(models, new Rows(x, 0, null), ws);
      truncatedFile(args[0]);
      Matrix closed = Matrix.zeros(4, 4);
      closed.close();
      fails("product", () -> LinAlg.multiply(closed, closed, ws));
      fails("transposition", () -> LinAlg.transpose(closed, ws));
    }
    for (int i = 0; i < 20; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }

  private static void fails(String what, Callable<?> work) throws Exception {
    try {
      work.call();
      System.out.println(what + " did not fail");
    } catch (IOException | RuntimeException e) {
      System.out.println(what + ": " + e.getClass().getSimpleName());
    }
  }

  private static void mergeOfClosedMoments(
      List<MemoryCheckpoint> models, Inputs inputs, Workspace ws) throws Exception {
    try (Moments one = Moments.collect(NETWORK, models, inputs, Activations.ALL, ws);
        Moments other = Moments.collect(NETWORK, models, inputs, Activations.ALL, ws)) {
      // The first space and the first block of the second can be merged.
      other.space("fc1").block(1, 1).close();
      fails("merge", () -> one.merge(other, ws));
    }
  }

  /** The file of the second model loses its end while the first tile is worked on. */
  private static void truncatedFile(String folder) throws Exception {
    Path first = Files.createDirectories(Path.of(folder, "first"));
    Path second = Files.createDirectories(Path.of(folder, "second"));
    int samples = 70_000; // two tiles
    try (Tensor wide = Tensor.zeros(DType.F64, samples, 128);
        Tensor narrow = Tensor.zeros(DType.F32, samples, 128)) {
      Npy.write(narrow, first.resolve("s.npy"));
      Npy.write(wide, second.resolve("s.npy"));
    }
    try (Workspace ws =
        Workspace.builder()
            .progress((stage, done, total) -> truncate(second.resolve("s.npy")))
            .open()) {
      fails(
          "files",
          () ->
              Moments.fromFiles(
                  Activations.oneSpace(128, MapFamily.PERMUTATION),
                  List.of(first, second),
                  Activations.ALL,
                  Moments.Options.defaults(),
                  ws));
    }
  }

  private static void truncate(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(1 << 20);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Rows of a tensor, which stays the caller's.
   *
   * @param end the batch, counted over all passes, that fails, or that cancels; 0 for none
   */
  private static final class Rows implements Inputs.Labelled {
    private final Tensor all;
    private final int end;
    private final Cancellation cancellation;
    private int count;

    Rows(Tensor all, int end, Cancellation cancellation) {
      this.all = all;
      this.end = end;
      this.cancellation = cancellation;
    }

    @Override
    public Iterator<Tensor> open(long seed) {
      return LongStream.range(0, all.dim(0) / BATCH).mapToObj(b -> batch(b * BATCH)).iterator();
    }

    private Tensor batch(long from) {
      if (++count == end && cancellation != null) {
        cancellation.cancel();
      } else if (count == end) {
        throw new IllegalStateException("no more");
      }
      return all.rows(from, from + BATCH);
    }

    @Override
    public boolean inMemory() {
      return true;
    }

    @Override
    public long samples() {
      return all.dim(0);
    }

    @Override
    public int classes() {
      return 3;
    }

    @Override
    public int label(long sample) {
      return 0;
    }
  }
}
