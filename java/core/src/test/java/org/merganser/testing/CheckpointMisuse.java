// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.testing.MisuseRound.Held;

/** Calls about checkpoints and moments. */
final class CheckpointMisuse extends MisusePool {
  private static final Path FOLDER = folder();

  CheckpointMisuse(MisusePool shared) {
    super(shared, shared.random);
  }

  void accumulate() throws Exception {
    Held<MomentAccumulator> accumulator = any(accumulators);
    if (accumulator == null || oneIn(3)) {
      Held<Workspace> ws = any(workspaces);
      long width = oneIn(10) ? index(3) : 3;
      round.call(
          () -> "accumulator of width " + width,
          width >= 1 && width < 100,
          true,
          using(ws),
          () -> {
            add(
                accumulators,
                new Held<>(
                    new MomentAccumulator(
                        "s",
                        new long[] {width, 3},
                        Activations.ALL,
                        Precision.MIXED,
                        NonFinite.FAIL,
                        of(ws)),
                    new double[] {width},
                    ws));
            return true;
          });
      return;
    }
    Held<Tensor> x = any(tensors);
    Held<Tensor> y = any(tensors);
    boolean fit =
        x != null
            && y != null
            && x.object.dim(1) == accumulator.values[0]
            && y.object.dim(1) == 3
            && x.object.dim(0) == y.object.dim(0);
    round.call(
        () -> "accumulate " + of(x) + " " + of(y),
        fit,
        false,
        using(accumulator, x, y),
        () -> {
          accumulator.object.update(Arrays.asList(of(x), of(y)));
          return true;
        });
  }

  void moments() throws Exception {
    Held<MomentAccumulator> accumulator = any(accumulators);
    round.call(
        () -> "moments",
        true,
        false,
        using(accumulator),
        () -> {
          Moments found = Moments.of(Map.of("s", accumulator.object.moments()));
          add(moments, new Held<>(found, accumulator.values, null));
          return true;
        });
  }

  void memoryCheckpoint() throws Exception {
    Held<Tensor> t = any(tensors);
    if (t == null || t.isClosing()) {
      return;
    }
    Map<String, Tensor> named = new LinkedHashMap<>();
    double[] values = t.values.clone();
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
    }
    named.put("t", Tensor.of(narrow, t.object.shape()));
    add(checkpoints, new Held<>(MemoryCheckpoint.of(named), values, null));
  }

  void file() throws Exception {
    Held<Checkpoint> c = any(checkpoints);
    Held<Workspace> ws = any(workspaces);
    if (!oneIn(4) || ws != null && ws.isClosing()) {
      // A closed Workspace can still copy, but not compute.
      return;
    }
    Path path = FOLDER.resolve(random.nextLong() + ".safetensors");
    round.call(
        () -> "write " + name(c),
        true,
        false,
        using(c, ws),
        () -> {
          Safetensors.write(of(c), path, of(ws));
          Checkpoint opened = Safetensors.open(path);
          Files.delete(path);
          add(checkpoints, new Held<>(opened, c.values, null));
          return true;
        });
  }

  /** Writes with a Workspace that its own progress closes. */
  void closedByProgress() {
    Held<Checkpoint> c = any(checkpoints);
    List<Held<Workspace>> own = new ArrayList<>();
    Workspace closing =
        Workspace.builder()
            .threads(1)
            .progress(
                (stage, done, total) -> {
                  try {
                    own.get(0).close();
                  } catch (Exception e) {
                    throw new IllegalArgumentException(e);
                  }
                })
            .open();
    own.add(new Held<>(closing, null, null));
    Path path = FOLDER.resolve(random.nextLong() + ".safetensors");
    round.call(
        () -> "write " + name(c) + ", closing the Workspace meanwhile",
        true,
        false,
        using(c, own.get(0)),
        () -> {
          Safetensors.write(of(c), path, closing);
          Files.delete(path);
          return true;
        });
    closing.close();
  }

  void read() {
    Held<Checkpoint> c = any(checkpoints);
    Held<Workspace> ws = any(workspaces);
    boolean interrupted = oneIn(4);
    String name = oneIn(20) ? "u" : "t";
    // What is merged is computed, the rest is copied.
    boolean merged = c != null && c.parent != null;
    round.call(
        () -> "read " + name + " of " + name(c) + (interrupted ? ", interrupted" : ""),
        name.equals("t"),
        merged,
        merged ? using(c, ws) : using(c),
        () -> {
          if (interrupted) {
            Thread.currentThread().interrupt();
          }
          try (Tensor t = of(c).read(name, of(ws))) {
            return same(t.toDoubleArray(), c.values)
                && (!interrupted || Thread.currentThread().isInterrupted());
          } finally {
            Thread.interrupted();
          }
        });
  }

  /** A model merged with itself. */
  void merge() throws Exception {
    Held<Checkpoint> c = any(checkpoints);
    Held<Workspace> ws = any(workspaces);
    if (c != null && (c.parent != null || !Arrays.stream(c.values).allMatch(Double::isFinite))) {
      return;
    }
    round.call(
        () -> "merge " + name(c),
        true,
        false,
        c == null ? using((Held<?>) null) : using(),
        () -> {
          Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(of(c), of(c)), of(ws));
          add(checkpoints, new Held<>(merged, c.values, c));
          return true;
        });
  }

  private static Path folder() {
    try {
      Path folder = Files.createTempDirectory("misuse");
      folder.toFile().deleteOnExit();
      return folder;
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
