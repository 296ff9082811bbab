// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.testing.MisuseRound.Held;

/** The calls of a {@link MisuseRound} and the pool that its threads share. */
final class MisuseCalls {
  private static final int MOST = 6;
  private static final long[] SIZES = {0, 1, 1, 2, 2, 3, 3, 3, 4, 5, 8, 33};
  private static final long[] ODD_SIZES = {-1, Long.MIN_VALUE, 1L << 45, 1L << 62, Long.MAX_VALUE};
  private static final double[] ODD_VALUES = {
    0.0, -0.0, Double.NaN, Double.POSITIVE_INFINITY, Double.MIN_VALUE, 1e-320, 1e300, -1e300, 1e18
  };
  private static final Path FOLDER = folder();

  private final MisuseRound round;
  private final SplittableRandom random;
  private final List<Held<Workspace>> workspaces;
  private final List<Held<Matrix>> matrices;
  private final List<Held<Tensor>> tensors;
  private final List<Held<Checkpoint>> checkpoints;
  private final List<Held<MomentAccumulator>> accumulators;

  MisuseCalls(MisuseRound round, SplittableRandom random) {
    this.round = round;
    this.random = random;
    workspaces = pool();
    matrices = pool();
    tensors = pool();
    checkpoints = pool();
    accumulators = pool();
    openWorkspace();
    for (int i = 0; i < 3; i++) {
      makeMatrix(3, 3);
      makeTensor(2, 3);
    }
  }

  private MisuseCalls(MisuseCalls shared, SplittableRandom random) {
    this.round = shared.round;
    this.random = random;
    workspaces = shared.workspaces;
    matrices = shared.matrices;
    tensors = shared.tensors;
    checkpoints = shared.checkpoints;
    accumulators = shared.accumulators;
  }

  /** The same pool with other choices. */
  MisuseCalls with(SplittableRandom other) {
    return new MisuseCalls(this, other);
  }

  private static <T> List<T> pool() {
    return Collections.synchronizedList(new ArrayList<>());
  }

  void closeAll() {
    for (List<? extends Held<?>> pool :
        List.of(accumulators, checkpoints, tensors, matrices, workspaces)) {
      for (Held<?> held : pool) {
        try {
          held.close();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      }
    }
  }

  // ---- Choices ----

  private boolean oneIn(int n) {
    return random.nextInt(n) == 0;
  }

  private <T> T any(List<T> pool) {
    synchronized (pool) {
      return pool.isEmpty() || oneIn(100) ? null : pool.get(random.nextInt(pool.size()));
    }
  }

  private <T extends AutoCloseable> void add(List<Held<T>> pool, Held<T> held) throws Exception {
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

  private static <T extends AutoCloseable> T of(Held<T> held) {
    return held == null ? null : held.object;
  }

  /** Checkpoints are told apart by their identity. */
  private static String name(Held<?> held) {
    if (held == null || !(held.object instanceof Checkpoint)) {
      return String.valueOf(held == null ? null : held.object);
    }
    String kind = held.object.getClass().getSimpleName();
    return kind
        + " "
        + Integer.toHexString(System.identityHashCode(held.object))
        + (held.parent == null ? "" : " of " + name(held.parent));
  }

  private long size() {
    return oneIn(40)
        ? ODD_SIZES[random.nextInt(ODD_SIZES.length)]
        : SIZES[random.nextInt(SIZES.length)];
  }

  private long index(long size) {
    return switch (random.nextInt(12)) {
      case 0 -> -1;
      case 1 -> size;
      case 2 -> (1L << 61) + 1;
      case 3 -> 1L << 62;
      default -> size <= 0 ? 0 : random.nextLong(size);
    };
  }

  private double value(boolean odd) {
    return odd && oneIn(3)
        ? ODD_VALUES[random.nextInt(ODD_VALUES.length)]
        : random.nextInt(-8, 9) * 0.25;
  }

  private double[] values(long count) {
    boolean odd = oneIn(10);
    double[] values = new double[(int) count];
    Arrays.setAll(values, i -> value(odd));
    return values;
  }

  // ---- Things ----

  private void openWorkspace() {
    int threads = random.nextInt(1, 4);
    add(() -> workspaces, new Held<>(Workspace.builder().threads(threads).open(), null, null));
  }

  private interface Pool<T extends AutoCloseable> {
    List<Held<T>> get();
  }

  private <T extends AutoCloseable> void add(Pool<T> pool, Held<T> held) {
    try {
      add(pool.get(), held);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private void makeMatrix(int rows, int columns) {
    double[] values = values((long) rows * columns);
    Matrix matrix = Matrix.of(Tensor.of(values, rows, columns));
    add(() -> matrices, new Held<>(matrix, values, null));
  }

  private void makeTensor(long... shape) {
    double[] values = values(Tensor.size(shape));
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
      values[i] = narrow[i];
    }
    add(() -> tensors, new Held<>(Tensor.of(narrow, shape), values, null));
  }

  // ---- Calls ----

  void next() throws Exception {
    switch (random.nextInt(25)) {
      case 0 -> makeMatrix((int) SIZES[random.nextInt(11)], (int) SIZES[random.nextInt(11)]);
      case 1 ->
          makeTensor(SIZES[random.nextInt(SIZES.length)], SIZES[random.nextInt(SIZES.length)]);
      case 2 -> workspace();
      case 3 -> allocate();
      case 4, 5 -> closeSomething();
      case 6, 7 -> multiply();
      case 8 -> polar();
      case 9 -> cca();
      case 10, 11 -> assignment();
      case 12 -> elements();
      case 13 -> convert();
      case 14 -> rows();
      case 15 -> keptBuffer();
      case 16 -> copy();
      case 17 -> accumulate();
      case 18 -> moments();
      case 19 -> memoryCheckpoint();
      case 20 -> file();
      case 21, 22 -> read();
      case 23 -> merge();
      default -> scaleOrSum();
    }
  }

  private void workspace() throws Exception {
    if (oneIn(3)) {
      int threads = new int[] {0, -1, 257, Integer.MIN_VALUE}[random.nextInt(4)];
      round.call(
          () -> "threads(" + threads + ")",
          false,
          false,
          using(),
          () -> Workspace.builder().threads(threads).open() != null);
    } else {
      openWorkspace();
    }
  }

  private void closeSomething() throws Exception {
    Held<?> held =
        switch (random.nextInt(12)) {
          case 0 -> any(workspaces);
          case 1, 2, 3, 4 -> any(matrices);
          case 5, 6, 7 -> any(tensors);
          case 8, 9 -> any(checkpoints);
          default -> any(accumulators);
        };
    if (held == null) {
      return;
    }
    if (held.object instanceof Workspace ws) {
      openWorkspace();
      if (oneIn(3)) {
        held.cancel(() -> ws.cancellation().cancel());
        return;
      }
    }
    round.call(
        () -> "close " + name(held),
        true,
        false,
        using(),
        () -> {
          if (held.object instanceof Checkpoint && held.parent != null) {
            // A view, which stays what it is.
            held.object.close();
          } else {
            held.close();
          }
          return true;
        });
  }

  private void allocate() throws Exception {
    long rows = size();
    long columns = size();
    boolean sound = rows >= 0 && columns >= 0;
    boolean small = sound && (rows == 0 || columns == 0 || rows < 100 && columns < 100);
    round.call(
        () -> "zeros " + rows + " x " + columns,
        small,
        false,
        using(),
        () -> {
          try (Matrix zeros = Matrix.zeros(rows, columns);
              Matrix transposed = zeros.transpose()) {
            return transposed.rows() == columns && LinAlg.distanceToIdentity(zeros) >= 0;
          }
        });
  }

  private void multiply() {
    Held<Matrix> a = any(matrices);
    Held<Matrix> b = any(matrices);
    Held<Workspace> ws = any(workspaces);
    int form = random.nextInt(3);
    long m = a == null ? 0 : form == 2 ? a.object.columns() : a.object.rows();
    long k = a == null ? 0 : form == 2 ? a.object.rows() : a.object.columns();
    long inner = b == null ? 0 : form == 1 ? b.object.columns() : b.object.rows();
    long n = b == null ? 0 : form == 1 ? b.object.rows() : b.object.columns();
    boolean empty = m == 0 || n == 0 || k == 0;
    // An empty product asks nobody.
    List<Held<?>> used = empty ? using() : using(a, b, ws);
    boolean good = a != null && b != null && (empty || ws != null) && k == inner;
    round.call(
        () -> "multiply " + form + " " + of(a) + " " + of(b),
        good,
        !empty,
        used,
        () -> {
          try (Matrix c =
              switch (form) {
                case 0 -> LinAlg.multiply(of(a), of(b), of(ws));
                case 1 -> LinAlg.multiplyTransposed(of(a), of(b), of(ws));
                default -> LinAlg.transposeMultiply(of(a), of(b), of(ws));
              }) {
            return isProduct(c, a, b, form);
          }
        });
  }

  private static boolean isProduct(Matrix c, Held<Matrix> a, Held<Matrix> b, int form) {
    int k = (int) (form == 2 ? a.object.rows() : a.object.columns());
    for (int i = 0; i < c.rows(); i++) {
      for (int j = 0; j < c.columns(); j++) {
        double sum = 0;
        double size = 0;
        for (int l = 0; l < k; l++) {
          double left =
              a.values[(int) (form == 2 ? l * a.object.columns() + i : i * a.object.columns() + l)];
          double right =
              b.values[(int) (form == 1 ? j * b.object.columns() + l : l * b.object.columns() + j)];
          sum += left * right;
          size += Math.abs(left * right);
        }
        double found = c.get(i, j);
        boolean special = !Double.isFinite(size);
        if (!special && !(Math.abs(found - sum) <= 1e-12 * size + 1e-300)) {
          return false;
        }
      }
    }
    return true;
  }

  private void polar() {
    Held<Matrix> a = any(matrices);
    Held<Workspace> ws = any(workspaces);
    boolean square = a != null && a.object.rows() == a.object.columns() && a.object.rows() > 0;
    int form = random.nextInt(3);
    round.call(
        () -> "polar " + form + " " + of(a),
        square,
        true,
        using(a, ws),
        () -> {
          Polar polar =
              switch (form) {
                case 0 -> Polar.of(of(a), of(ws));
                case 1 -> Polar.factorOnly(of(a), DType.F32, of(ws));
                default -> Polar.ofEach(Arrays.asList(of(a), of(a)), true, of(ws)).get(1);
              };
          try (Matrix q = polar.factor();
              Workspace own = Workspace.builder().threads(1).open();
              Matrix identity = LinAlg.transposeMultiply(q, q, own)) {
            return LinAlg.distanceToIdentity(identity) < 1e-6;
          }
        });
  }

  private void cca() {
    Held<Matrix> a = any(matrices);
    Held<Matrix> b = any(matrices);
    Held<Workspace> ws = any(workspaces);
    double gamma = oneIn(8) ? value(true) : 0.5;
    boolean good =
        a != null
            && b != null
            && a.object.rows() == a.object.columns()
            && b.object.rows() == a.object.rows()
            && b.object.columns() == a.object.columns()
            && a.object.rows() > 0
            && gamma >= 0
            && gamma < Double.POSITIVE_INFINITY;
    round.call(
        () -> "cca " + of(a) + " " + of(b) + " gamma " + gamma,
        good,
        true,
        using(a, b, ws),
        () -> {
          Cca cca = Cca.map(of(a), of(a), of(b), gamma, gamma, of(ws));
          cca.map().close();
          cca.inverse().close();
          return cca.correlations().length == a.object.rows();
        });
  }

  private void assignment() {
    Held<Matrix> a = any(matrices);
    Held<Workspace> ws = any(workspaces);
    boolean maximise = random.nextBoolean();
    boolean good = a != null && a.object.rows() <= a.object.columns();
    int form = random.nextInt(3);
    round.call(
        () -> "assignment " + form + " " + of(a),
        good || form == 2 && a != null,
        true,
        using(a, ws),
        () -> {
          try {
            Assignment found =
                switch (form) {
                  case 0 ->
                      maximise
                          ? Assignment.maximise(of(a), of(ws))
                          : Assignment.minimise(of(a), of(ws));
                  case 1 -> Assignment.minimiseAll(Arrays.asList(of(a), of(a)), of(ws)).get(1);
                  default -> Assignment.maximiseProducts(of(a), of(a), of(ws));
                };
            return form == 2 || isBest(found, a);
          } catch (IllegalArgumentException e) {
            // Values that are not allowed.
            if (good && Arrays.stream(a.values).anyMatch(v -> !(Math.abs(v) < 1e100))) {
              return true;
            }
            throw e;
          }
        });
  }

  private static boolean isBest(Assignment found, Held<Matrix> a) {
    int rows = found.columns().length;
    int columns = (int) a.object.columns();
    if (rows > 4 || columns > 4) {
      return true;
    }
    double best = best(a.values, rows, columns, 0, 0, found.maximised());
    double size = Arrays.stream(a.values).map(Math::abs).filter(Double::isFinite).sum();
    return Math.abs(found.value() - best) <= 1e-12 * size + 1e-300;
  }

  private static double best(
      double[] values, int rows, int columns, int row, int taken, boolean maximise) {
    if (row == rows) {
      return 0;
    }
    double best = maximise ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    for (int c = 0; c < columns; c++) {
      if ((taken & 1 << c) == 0) {
        double sum =
            values[row * columns + c]
                + best(values, rows, columns, row + 1, taken | 1 << c, maximise);
        best = maximise ? Math.max(best, sum) : Math.min(best, sum);
      }
    }
    return best;
  }

  private void elements() {
    Held<Tensor> t = any(tensors);
    long size = t == null ? 0 : t.object.size();
    long index = index(size);
    round.call(
        () -> "get " + index + " of " + of(t),
        index >= 0 && index < size,
        false,
        using(t),
        () -> same(t.object.get(index), t.values[(int) index]));
    Held<Matrix> m = any(matrices);
    long row = index(m == null ? 0 : m.object.rows());
    long column = index(m == null ? 0 : m.object.columns());
    round.call(
        () -> "get (" + row + ", " + column + ") of " + of(m),
        m != null
            && row >= 0
            && row < m.object.rows()
            && column >= 0
            && column < m.object.columns(),
        false,
        using(m),
        () -> {
          int at = (int) (row * m.object.columns() + column);
          return same(m.object.get(row, column), m.values[at]);
        });
  }

  private static boolean same(double a, double b) {
    return Double.doubleToLongBits(a) == Double.doubleToLongBits(b);
  }

  private static boolean same(double[] found, double[] wanted) {
    for (int i = 0; i < found.length; i++) {
      if (!same(found[i], wanted[i])) {
        return false;
      }
    }
    return found.length == wanted.length;
  }

  private void convert() {
    Held<Tensor> t = any(tensors);
    Held<Workspace> ws = any(workspaces);
    DType type = oneIn(10) ? DType.I32 : DType.F64;
    round.call(
        () -> of(t) + " to " + type,
        type == DType.F64,
        true,
        using(t, ws),
        () -> {
          try (Tensor wide = t.object.to(type, of(ws))) {
            return same(wide.toDoubleArray(), t.values);
          }
        });
  }

  private void rows() throws Exception {
    Held<Tensor> t = any(tensors);
    long rows = t == null ? 0 : t.object.dim(0);
    long from = index(rows + 1);
    long to = index(rows + 1);
    Held<?>[] made = new Held<?>[1];
    round.call(
        () -> "rows " + from + " to " + to + " of " + of(t),
        from >= 0 && to >= from && to <= rows,
        false,
        using(t),
        () -> {
          Tensor view = t.object.rows(from, to);
          long width = rows == 0 ? 0 : t.values.length / rows;
          double[] part = Arrays.copyOfRange(t.values, (int) (from * width), (int) (to * width));
          Held<Tensor> held = new Held<>(view, part, t);
          made[0] = held;
          add(tensors, held);
          return true;
        });
  }

  /** A buffer that outlives what it was made of. */
  private void keptBuffer() {
    Held<Tensor> t = any(tensors);
    long bytes = t == null ? 0 : t.object.bytes();
    long offset = oneIn(4) ? index(bytes) : 0;
    boolean good = offset >= 0 && offset <= bytes;
    boolean close = oneIn(3);
    round.call(
        () -> "buffer of " + of(t) + " from " + offset + (close ? ", closed" : ""),
        good,
        false,
        using(t),
        () -> {
          ByteBuffer buffer = t.object.buffer(offset, (int) (bytes - offset));
          if (close) {
            t.close();
          }
          for (int i = 0; offset % 4 == 0 && i < buffer.remaining() / 4; i++) {
            if (!same(buffer.getFloat(4 * i), t.values[(int) (offset / 4) + i])) {
              return false;
            }
          }
          return true;
        });
  }

  private void copy() {
    Held<Tensor> t = any(tensors);
    Held<Tensor> other = any(tensors);
    round.call(
        () -> "copy of " + of(t),
        true,
        false,
        using(t),
        () -> {
          try (Tensor copy = t.object.copy()) {
            return same(copy.toDoubleArray(), t.values) && copy.sameBytes(copy);
          }
        });
    round.call(
        () -> "sameBytes of " + of(t) + " and " + of(other),
        true,
        false,
        // Other shapes are told apart without a look.
        t != null
                && other != null
                && Arrays.equals(t.object.shape(), other.object.shape())
                && t.object.size() > 0
            ? using(t, other)
            : t == null || other == null ? using((Held<?>) null) : using(),
        () -> t.object.sameBytes(of(other)) == sameBits(t, other));
  }

  private static boolean sameBits(Held<Tensor> a, Held<Tensor> b) {
    boolean same = Arrays.equals(a.object.shape(), b.object.shape());
    for (int i = 0; same && i < a.values.length; i++) {
      same = same(a.values[i], b.values[i]);
    }
    return same;
  }

  private void accumulate() throws Exception {
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

  private void moments() {
    Held<MomentAccumulator> accumulator = any(accumulators);
    round.call(
        () -> "moments",
        true,
        false,
        using(accumulator),
        () -> {
          accumulator.object.moments().close();
          return true;
        });
  }

  private void memoryCheckpoint() throws Exception {
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

  private void file() throws Exception {
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

  private void read() {
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
  private void merge() throws Exception {
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

  private void scaleOrSum() {
    Held<Tensor> t = any(tensors);
    Held<Workspace> ws = any(workspaces);
    long rows = t == null ? 1 : oneIn(6) ? 7 : t.object.dim(0);
    double[] scales = new double[(int) rows];
    Arrays.fill(scales, 1);
    boolean empty = t != null && t.object.size() == 0;
    round.call(
        () -> "scale " + rows + " rows of " + of(t),
        t != null && rows == t.object.dim(0),
        !empty,
        empty ? using() : using(t, ws),
        () -> {
          try (Tensor scaled = t.object.scaledRows(scales, of(ws))) {
            double[] found = scaled.toDoubleArray();
            for (int i = 0; i < found.length; i++) {
              if (found[i] != t.values[i] && !Double.isNaN(t.values[i])) {
                return false;
              }
            }
            return true;
          }
        });
    if (t != null && t.object.bytes() >= 8) {
      round.call(
          () -> "slice and clear",
          true,
          false,
          using(),
          () -> {
            try (Memory memory = Memory.allocate(t.object.bytes())) {
              memory.clear();
              Memory part = memory.slice(4, memory.bytes() - 4);
              return part.getFloat(0) == 0;
            }
          });
    }
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
