// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.testing.MisuseRound.Held;

/** What the threads of a {@link MisuseRound} share, and one thread's choices among it. */
class MisusePool {
  private static final int MOST = 6;
  private static final long[] SIZES = {0, 1, 1, 2, 2, 3, 3, 3, 4, 5, 8, 33};
  private static final long[] ODD_SIZES = {-1, Long.MIN_VALUE, 1L << 45, 1L << 62, Long.MAX_VALUE};
  private static final double[] ODD_VALUES = {
    0.0, -0.0, Double.NaN, Double.POSITIVE_INFINITY, Double.MIN_VALUE, 1e-320, 1e300, -1e300, 1e18
  };

  final MisuseRound round;
  final SplittableRandom random;
  final List<Held<Workspace>> workspaces;
  final List<Held<Matrix>> matrices;
  final List<Held<Tensor>> tensors;
  final List<Held<Checkpoint>> checkpoints;
  final List<Held<MomentAccumulator>> accumulators;
  final List<Held<Alignment>> alignments;
  final List<Held<Moments>> moments;

  /** Some of everything that is always wanted. */
  MisusePool(MisuseRound round, SplittableRandom random) {
    this.round = round;
    this.random = random;
    workspaces = pool();
    matrices = pool();
    tensors = pool();
    checkpoints = pool();
    accumulators = pool();
    alignments = pool();
    moments = pool();
    openWorkspace();
    for (int i = 0; i < 3; i++) {
      makeMatrix(3, 3);
      makeTensor(2, 3);
    }
  }

  /** The same things with other choices. */
  MisusePool(MisusePool shared, SplittableRandom random) {
    this.round = shared.round;
    this.random = random;
    workspaces = shared.workspaces;
    matrices = shared.matrices;
    tensors = shared.tensors;
    checkpoints = shared.checkpoints;
    accumulators = shared.accumulators;
    alignments = shared.alignments;
    moments = shared.moments;
  }

  private static <T> List<T> pool() {
    return Collections.synchronizedList(new ArrayList<>());
  }

  void closeAll() {
    for (List<? extends Held<?>> pool :
        List.of(alignments, moments, accumulators, checkpoints, tensors, matrices, workspaces)) {
      for (Held<?> held : pool) {
        try {
          held.close();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }

  boolean oneIn(int n) {
    return random.nextInt(n) == 0;
  }

  <T> T any(List<T> pool) {
    synchronized (pool) {
      return pool.isEmpty() || oneIn(100) ? null : pool.get(random.nextInt(pool.size()));
    }
  }

  <T extends AutoCloseable> void add(List<Held<T>> pool, Held<T> held) throws Exception {
    Held<T> old = null;
    synchronized (pool) {
      if (pool.size() == MOST) {
        old = pool.remove(random.nextInt(MOST));
      }
      pool.add(held);
    }
    // Some are left to the collector.
    if (old != null && !oneIn(8)) {
      old.close();
    }
  }

  private interface Pool<T extends AutoCloseable> {
    List<Held<T>> get();
  }

  <T extends AutoCloseable> void add(Pool<T> pool, Held<T> held) {
    try {
      add(pool.get(), held);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static <T extends AutoCloseable> T of(Held<T> held) {
    return held == null ? null : held.object;
  }

  /** Checkpoints are told apart by their identity. */
  static String name(Held<?> held) {
    if (held == null || !(held.object instanceof Checkpoint)) {
      return String.valueOf(held == null ? null : held.object);
    }
    String kind = held.object.getClass().getSimpleName();
    return kind
        + " "
        + Integer.toHexString(System.identityHashCode(held.object))
        + (held.parent == null ? "" : " of " + name(held.parent));
  }

  long size() {
    return oneIn(40)
        ? ODD_SIZES[random.nextInt(ODD_SIZES.length)]
        : SIZES[random.nextInt(SIZES.length)];
  }

  long index(long size) {
    return switch (random.nextInt(12)) {
      case 0 -> -1;
      case 1 -> size;
      case 2 -> (1L << 61) + 1;
      case 3 -> 1L << 62;
      default -> size <= 0 ? 0 : random.nextLong(size);
    };
  }

  double value(boolean odd) {
    return odd && oneIn(3)
        ? ODD_VALUES[random.nextInt(ODD_VALUES.length)]
        : random.nextInt(-8, 9) * 0.25;
  }

  double[] values(long count) {
    boolean odd = oneIn(10);
    double[] values = new double[(int) count];
    Arrays.setAll(values, i -> value(odd));
    return values;
  }

  void openWorkspace() {
    int threads = random.nextInt(1, 4);
    add(() -> workspaces, new Held<>(Workspace.builder().threads(threads).open(), null, null));
  }

  void makeMatrix(int rows, int columns) {
    double[] values = values((long) rows * columns);
    Matrix matrix = Matrix.of(Tensor.of(values, rows, columns));
    add(() -> matrices, new Held<>(matrix, values, null));
  }

  void makeTensor(long... shape) {
    double[] values = values(Tensor.size(shape));
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
      values[i] = narrow[i];
    }
    add(() -> tensors, new Held<>(Tensor.of(narrow, shape), values, null));
  }

  static boolean same(double a, double b) {
    return Double.doubleToLongBits(a) == Double.doubleToLongBits(b);
  }

  static boolean same(double[] found, double[] wanted) {
    for (int i = 0; i < found.length; i++) {
      if (!same(found[i], wanted[i])) {
        return false;
      }
    }
    return found.length == wanted.length;
  }

  /** One that can be had. */
  long soundSize() {
    return SIZES[random.nextInt(SIZES.length)];
  }
}
