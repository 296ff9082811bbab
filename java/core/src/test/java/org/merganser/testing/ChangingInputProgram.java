// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.align.CcaAligner;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;

/**
 * Writes into the inputs of calls while they run: {@code ChangingInputProgram SECONDS}. Ends with 0
 * when each call ended in some result or in one of our exceptions, none of them internal.
 */
public final class ChangingInputProgram {
  private static final long LONGEST_CALL = 20_000_000_000L;
  private static final double[] ODD = {
    Double.NaN,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY,
    1e300,
    -1e308,
    1e30,
    -1e30,
    Double.MIN_VALUE,
    0
  };

  private final SplittableRandom random = new SplittableRandom(7);
  private final List<Tensor> inputs = new ArrayList<>();
  private final Map<String, Integer> outcomes = new LinkedHashMap<>();
  private volatile long started = System.nanoTime();
  private volatile String running = "";

  private interface Call {
    void run() throws Exception;
  }

  private ChangingInputProgram() {}

  public static void main(String[] args) {
    new ChangingInputProgram().run(Long.parseLong(args[0]) * 1_000_000_000L);
    System.exit(0);
  }

  private void run(long nanoseconds) {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      Map<String, Call> calls = new LinkedHashMap<>();
      for (int n : new int[] {40, 60, 300}) {
        assignments(n, ws, calls);
      }
      others(ws, calls);
      daemon("writer", this::write);
      daemon("watcher", this::watch);
      long end = System.nanoTime() + nanoseconds;
      while (System.nanoTime() < end) {
        calls.forEach(this::call);
      }
      outcomes.forEach((what, count) -> System.out.println(count + " x " + what));
      // The writer goes on: nothing it writes to may be freed.
      Runtime.getRuntime().halt(0);
    }
  }

  private void assignments(int n, Workspace ws, Map<String, Call> calls) {
    Matrix cost = input(n, n);
    Matrix wide = input(n / 2, n);
    Matrix x = input(n, 8);
    Matrix y = input(n, 8);
    double[] v = new double[n];
    calls.put("minimise " + n, () -> check(Assignment.minimise(cost, ws)));
    calls.put("maximise " + n, () -> check(Assignment.maximise(cost, ws)));
    calls.put("minimise wide " + n, () -> check(Assignment.minimise(wide, ws)));
    calls.put("minimiseFrom " + n, () -> check(Assignment.minimiseFrom(v, cost, ws)));
    calls.put("maximiseProducts " + n, () -> check(Assignment.maximiseProducts(x, y, ws)));
    calls.put(
        "minimiseAll " + n,
        () -> Assignment.minimiseAll(List.of(cost, wide), ws).forEach(this::check));
    calls.put("certify " + n, () -> Assignment.minimise(cost, ws).certify(cost, ws));
  }

  private void others(Workspace ws, Map<String, Call> calls) {
    int n = 60;
    Matrix a = input(n, n);
    Matrix sxx = input(n, n);
    Matrix syy = input(n, n);
    calls.put("Polar.of", () -> Polar.of(a, ws));
    // One thread at a time writes; whatever it leaves of the diagonal is large.
    calls.put(
        "Cca.map",
        () -> {
          for (int i = 0; i < n; i++) {
            sxx.set(i, i, 1000);
            syy.set(i, i, 1000);
          }
          Cca.map(sxx, syy, a, 1, 1, ws);
        });
    Tensor values = random(DType.F32, 300, 1000);
    for (long count : new long[] {5000, 300_000}) {
      calls.put(
          "MagnitudeRanks.of " + count,
          () ->
              MagnitudeRanks.of(
                  Kernels.of(ws), DType.F32.code(), count, Block.of(values), null, count / 3));
    }
    Tensor x = random(DType.F32, 100, 64);
    Tensor y = random(DType.F32, 100, 64);
    for (Precision precision : Precision.values()) {
      calls.put(
          "moments " + precision,
          () -> {
            try (MomentAccumulator moments =
                new MomentAccumulator(
                    "s", new long[] {64, 64}, CcaAligner.REQUEST, precision, NonFinite.FAIL, ws)) {
              moments.update(List.of(x, y));
              moments.moments();
            }
          });
    }
  }

  private void check(Assignment found) {
    int[] columns = found.columns();
    if (Arrays.stream(columns).distinct().count() != columns.length
        || Arrays.stream(columns).anyMatch(j -> j < 0 || j >= found.v().length)) {
      fail("no matching: " + Arrays.toString(columns));
    }
  }

  private void call(String name, Call call) {
    running = name;
    started = System.nanoTime();
    String outcome;
    try {
      call.run();
      outcome = "a result";
    } catch (MerganserException | IllegalArgumentException | IllegalStateException e) {
      if (String.valueOf(e.getMessage()).contains("internal error") || e.getMessage() == null) {
        e.printStackTrace(System.out);
        fail(name);
      }
      outcome = e.getClass().getSimpleName() + ": " + e.getMessage().replaceAll("[-0-9.E]+", "#");
    } catch (Exception | Error e) {
      e.printStackTrace(System.out);
      fail(name);
      return;
    }
    outcomes.merge(name.replaceAll(" [0-9]+", "") + ": " + outcome, 1, Integer::sum);
  }

  private static void fail(String what) {
    System.out.println("failed: " + what);
    Runtime.getRuntime().halt(1);
  }

  private Matrix input(int rows, int columns) {
    return Matrix.of(random(DType.F64, rows, columns));
  }

  private Tensor random(DType dtype, int rows, int columns) {
    Tensor tensor = Tensor.allocate(dtype, rows, columns);
    for (int at = 0; at < rows * columns; at++) {
      set(dtype, tensor.buffer(0, (int) tensor.bytes()), at, usual(random));
    }
    inputs.add(tensor);
    return tensor;
  }

  private static double usual(SplittableRandom random) {
    return random.nextDouble() - 0.5;
  }

  private static void set(DType dtype, ByteBuffer bytes, int at, double value) {
    if (dtype == DType.F64) {
      bytes.putDouble(8 * at, value);
    } else {
      bytes.putFloat(4 * at, (float) value);
    }
  }

  /**
   * One value, or a block of them, is odd for a moment. Pauses let calls get past their own checks.
   */
  private void write() {
    SplittableRandom mine = new SplittableRandom(11);
    List<ByteBuffer> memory = new ArrayList<>();
    for (Tensor each : inputs) {
      memory.add(each.buffer(0, (int) each.bytes()));
    }
    while (true) {
      int which = mine.nextInt(inputs.size());
      Tensor input = inputs.get(which);
      int count = (int) input.size();
      int first = mine.nextInt(count);
      int length = mine.nextInt(8) == 0 ? Math.min(count - first, mine.nextInt(count)) : 1;
      double odd = ODD[mine.nextInt(ODD.length)];
      for (int at = first; at < first + length; at++) {
        set(input.dtype(), memory.get(which), at, odd);
      }
      pause(mine);
      for (int at = first; at < first + length; at++) {
        set(input.dtype(), memory.get(which), at, usual(mine));
      }
      pause(mine);
    }
  }

  private static void pause(SplittableRandom random) {
    long end = System.nanoTime() + random.nextInt(100_000);
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  private void watch() {
    while (System.nanoTime() - started < LONGEST_CALL) {
      try {
        Thread.sleep(500);
      } catch (InterruptedException e) {
        return;
      }
    }
    fail(running + " does not end");
  }

  private static void daemon(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
  }
}
