// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.internal.kernel.NpState;
import org.merganser.io.Npy;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.Plan;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/**
 * Our side of {@code benchmarks/peers/peers.py}, which starts it and takes turns with it: {@code
 * Ours THREADS}, then one command a line and one line of answer.
 *
 * <ul>
 *   <li>{@code open KERNEL name=value...}: reads the inputs, {@code .npy} files, and runs until it
 *       is warm, except where a run has state; {@code ready}.
 *   <li>{@code time}: runs once; wall and CPU milliseconds.
 *   <li>{@code cores}: OpenBLAS's core and our level; an error while OpenBLAS is held back.
 *   <li>{@code save FILE}: the last result as {@code .npy}; {@code saved}.
 * </ul>
 *
 * BF16 is stored as {@code u2}. What goes wrong is answered by {@code error: ...}.
 */
public final class Ours {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
  private static final long WARM = 300_000_000; // nanoseconds

  private final Workspace ws;
  private final Kernels kernels;
  private final Map<String, String> values = new HashMap<>();
  private final List<Tensor> tensors = new ArrayList<>();
  private NpState np;
  private Runnable operation = () -> {};
  private Supplier<Tensor> result = () -> null;
  private Tensor last;
  private boolean stateful;

  private Ours(int threads) {
    ws = Workspace.builder().backend(Backend.CPU).threads(threads).open();
    kernels = Kernels.of(ws);
    openblas_nolapack.blas_set_num_threads(threads);
  }

  public static void main(String[] args) throws IOException {
    if (args.length != 1 || !args[0].matches("[1-9][0-9]*")) {
      System.err.println("Usage: Ours THREADS; started by benchmarks/peers/peers.py");
      System.exit(Guard.USAGE);
    }
    Ours ours = new Ours(Integer.parseInt(args[0]));
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(ours.answer(line));
    }
  }

  private String answer(String line) {
    String[] words = line.strip().split(" ");
    try {
      switch (words[0]) {
        case "open" -> {
          open(words);
          warmUp();
          return "ready";
        }
        case "time" -> {
          return time();
        }
        case "cores" -> {
          return CleanJvm.cores();
        }
        case "save" -> {
          Npy.write(result.get(), Path.of(words[1]));
          return "saved";
        }
        default -> throw new IllegalArgumentException("no command " + words[0]);
      }
    } catch (IOException | MerganserException | BenchmarkFailure | IllegalArgumentException e) {
      return ("error: " + e).replace('\n', ' ');
    }
  }

  private void warmUp() {
    long end = System.nanoTime() + WARM;
    while (!stateful && System.nanoTime() < end) {
      operation.run();
    }
  }

  private String time() {
    long cpu = THREADS.getCurrentThreadCpuTime(); // where a workspace of one thread works
    long wall = System.nanoTime();
    operation.run();
    double wallPassed = 1e-6 * (System.nanoTime() - wall);
    double cpuPassed = 1e-6 * (THREADS.getCurrentThreadCpuTime() - cpu);
    return String.format(Locale.ROOT, "%.6f %.6f", wallPassed, cpuPassed);
  }

  private void open(String[] words) throws IOException {
    if (np != null) {
      np.close();
      np = null;
    }
    tensors.forEach(Tensor::close);
    tensors.clear();
    values.clear();
    stateful = words[1].equals("np");
    for (int k = 2; k < words.length; k++) {
      String[] sides = words[k].split("=", 2);
      values.put(sides[0], sides[1]);
    }
    operation =
        switch (words[1]) {
          case "moments" -> moments(tensor("x"), tensor("y"));
          case "cca" -> cca(matrix("sxx"), matrix("syy"), matrix("sxy"));
          case "polar" -> polar(matrix("a"));
          case "assignment" -> assignment(matrix("cost"));
          case "read" -> read(tensor("x"));
          case "np" -> npStep(tensor("a"), tensor("b"), tensor("g"));
          case "linear" -> linear(arrays(2));
          case "task" -> task(arrays(4), false);
          case "ties" -> task(arrays(4), true);
          case "kth" -> kth(tensor("x"));
          case "heatmap" -> heatMap((int) number("layers"));
          case "gram" -> gram(matrix("x"));
          case "rbf" -> rbf(matrix("x"));
          case "permuted" -> permuted(matrix("k"), tensor("orders"));
          case "bandwidth" -> bandwidth();
          case "gemm" -> gemm();
          default -> throw new IllegalArgumentException("no kernel " + words[1]);
        };
  }

  private Runnable moments(Tensor x, Tensor y) {
    Precision precision = Precision.valueOf(value("precision"));
    StatisticsRequest request = StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS);
    long d = x.dim(1);
    return () -> {
      try (MomentAccumulator accumulator =
          new MomentAccumulator(
              "peers", new long[] {d, d}, request, precision, NonFinite.FAIL, ws)) {
        accumulator.update(List.of(x, y));
        SpaceMoments moments = accumulator.moments();
        result = () -> moments.covariance(0, 1, ws).asTensor();
      }
    };
  }

  private Runnable cca(Matrix sxx, Matrix syy, Matrix sxy) {
    DType precision = DType.valueOf(value("precision"));
    double gamma = number("gamma");
    boolean correlations = Boolean.parseBoolean(value("correlations"));
    return () -> {
      Cca cca =
          correlations
              ? Cca.map(sxx, syy, sxy, gamma, gamma, ws)
              : Cca.mapOnly(sxx, syy, sxy, gamma, gamma, precision, ws);
      cca.inverse().close();
      replace(cca.map());
    };
  }

  private Runnable polar(Matrix a) {
    DType precision = DType.valueOf(value("precision"));
    return () -> replace(Polar.factorOnly(a, precision, ws).factor());
  }

  private Runnable assignment(Matrix cost) {
    Assignment.minimise(cost, ws).certify(cost, ws);
    return () -> {
      int[] columns = Assignment.minimise(cost, ws).columns();
      result = () -> Tensor.of(Arrays.stream(columns).asDoubleStream().toArray(), columns.length);
    };
  }

  private Runnable read(Tensor x) {
    return () -> kernels.tensors().nonFinite(x.dtype().code(), x.size(), Block.of(x));
  }

  private Runnable npStep(Tensor a, Tensor b, Tensor g) {
    NpState.Options options =
        new NpState.Options(1, 0, 0, 2, Buffers.F32, 0.9, 0.999, 1e-8, 0, 0, 15);
    Block[] models = {Block.of(a), Block.of(b)};
    np = kernels.np(options, new long[] {a.size()}, new long[] {1}, models, null);
    double rate = number("rate");
    Tensor theta = keep(Tensor.zeros(DType.F32, a.size()));
    Block[] gradients = {Block.of(g)};
    Block[] thetas = {Block.of(theta)};
    return () -> {
      np.step(rate, gradients, thetas);
      result = () -> theta;
    };
  }

  private Runnable linear(Memory[] arrays) {
    Tensor out = out(arrays);
    Block[] in = Buffers.blocks(arrays, 0, 2);
    double weight = number("weight");
    return () -> {
      kernels
          .merge()
          .weightedSum(
              DType.BF16.code(), out.size(), in, new double[] {weight, 1 - weight}, Block.of(out));
      result = () -> out;
    };
  }

  private Runnable task(Memory[] arrays, boolean elect) {
    Tensor out = out(arrays);
    long n = out.size();
    double weight = number("weight");
    Task task =
        elect
            ? Task.magnitude(weight, new Threshold(number("threshold"), n))
            : Task.weighted(weight);
    Task[] tasks = {task, task, task};
    Mix mix = new Mix(elect, elect, 1);
    Block base = Block.of(arrays[0]);
    Block[] in = Buffers.blocks(arrays, 1, 4);
    return () -> {
      kernels.merge().taskMerge(DType.BF16.code(), 0, n, base, in, tasks, mix, Block.of(out));
      result = () -> out;
    };
  }

  private Runnable kth(Tensor x) {
    long k = (long) number("k");
    return () -> {
      double value =
          MagnitudeRanks.of(kernels, Buffers.F32, x.size(), Block.of(x), null, k).value();
      result = () -> Tensor.of(new double[] {value}, 1);
    };
  }

  private Runnable heatMap(int layers) throws IOException {
    DType precision = DType.valueOf(value("precision"));
    List<String> taps = new ArrayList<>();
    Map<String, Tensor> left = new LinkedHashMap<>();
    Map<String, Tensor> right = new LinkedHashMap<>();
    for (int l = 0; l < layers; l++) {
      taps.add("layer" + l);
      left.put("layer" + l, tensor("a" + l));
      right.put("layer" + l, tensor("b" + l));
    }
    int batch = Math.toIntExact(left.get("layer0").dim(0));
    SimilarityGrid.Options options =
        SimilarityGrid.Options.defaults().withPlan(Plan.minibatch(batch)).withPrecision(precision);
    Batch one = new Batch(0, batch, List.of(left, right));
    return () -> {
      try (GridAccumulator sums =
          new GridAccumulator(Layer.of(0, taps), Layer.of(1, taps), -1, options, ws)) {
        sums.accept(one);
        SimilarityGrid grid = sums.grid(LinearCka.debiased());
        result = () -> Matrix.of(grid.values()).asTensor();
      }
    };
  }

  private Runnable gram(Matrix x) {
    DType precision = DType.valueOf(value("precision"));
    return () -> replace(Gram.linear(x, precision, ws));
  }

  private Runnable rbf(Matrix x) {
    return () -> {
      Matrix d = Gram.squaredDistances(x, ws);
      double median = Gram.medianSquaredDistance(d, Gram.MedianRule.OFF_DIAGONAL, ws).value();
      Gram.rbf(d, 1 / (2 * median), ws);
      replace(d);
    };
  }

  private Runnable permuted(Matrix k, Tensor orders) {
    int[] permutations =
        Arrays.stream(orders.toDoubleArray()).mapToInt(each -> (int) each).toArray();
    return () -> {
      double[] sums = Gram.permutedProducts(k, k, permutations, ws);
      result = () -> Tensor.of(sums, sums.length);
    };
  }

  private Runnable bandwidth() {
    int reads = (int) number("reads");
    long bytes = (long) number("bytes");
    Memory[] arrays = new Memory[reads + (int) number("writes")];
    for (int k = 0; k < arrays.length; k++) {
      arrays[k] = Buffers.zeros(bytes);
      keep(Tensor.over(arrays[k], DType.U8, bytes));
    }
    return () -> Buffers.bandwidth(kernels, bytes, arrays, reads);
  }

  private Runnable gemm() {
    Products products = new Products((int) number("n"));
    return value("precision").equals("F64") ? products::f64 : products::f32;
  }

  /** A run's matrix in the place of the one before, whose memory would wait for the collector. */
  private void replace(Matrix next) {
    if (!tensors.isEmpty() && tensors.get(tensors.size() - 1) == last) {
      tensors.remove(tensors.size() - 1).close();
    }
    last = keep(next.asTensor());
    result = () -> last;
  }

  private Memory[] arrays(int count) throws IOException {
    Memory[] result = new Memory[count];
    for (int k = 0; k < count; k++) {
      result[k] = tensor("x" + k).memory();
    }
    return result;
  }

  private Tensor out(Memory[] like) {
    return keep(Tensor.zeros(DType.U16, like[0].bytes() / 2));
  }

  private Tensor keep(Tensor tensor) {
    tensors.add(tensor);
    return tensor;
  }

  private Tensor tensor(String name) throws IOException {
    return keep(Npy.read(Path.of(value(name))));
  }

  private Matrix matrix(String name) throws IOException {
    return Matrix.of(tensor(name));
  }

  private double number(String name) {
    return Double.parseDouble(value(name));
  }

  private String value(String name) {
    String value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("no value of " + name);
    }
    return value;
  }
}
