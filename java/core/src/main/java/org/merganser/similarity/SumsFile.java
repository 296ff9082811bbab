// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.MinibatchCka.Remainder;
import org.merganser.similarity.SimilarityGrid.Options;
import org.merganser.stats.NonFinite;

/**
 * {@code *.mgsums}: a safetensors file with {@code counts} F64 [4] (samples, batches, left over,
 * dropped) and, by plan,
 *
 * <ul>
 *   <li>feature: for each layer {@code a/I/mean}, {@code a/I/sums} [2] (squared norms, their
 *       squares), {@code a/I/products}, {@code a/I/third}, the same for {@code b}, and for each
 *       pair {@code pair/I,J/products}, {@code /squares} [1], {@code /left}, {@code /right};
 *   <li>minibatch: {@code cross} [A x B], {@code own/a}, {@code own/b}, and what these may be of
 *       rounding, {@code rounding/a}, {@code rounding/b}; {@code bandwidths} [layers of A, then of
 *       B unless these are the same];
 *   <li>full: {@code a/triangles} [layers x n (n - 1) / 2], {@code a/norms} and {@code a/along}
 *       [layers x n], {@code a/widths} ({@link GramRows}), the same for {@code b} unless it has the
 *       layers of {@code a}. They do not merge, and are for reading.
 * </ul>
 *
 * Metadata: {@code format}, {@code version}, {@code plan}, {@code batch}, {@code flatten}, {@code
 * positions} (rows of a sample, 1 where it is missing), {@code remainder} and {@code kernel}
 * ({@code linear}, or a kind of bandwidth and its multiple; dropped and linear where they are
 * missing), {@code precision}, {@code layers-a} and {@code layers-b} (model, axis and tap of each,
 * one a line).
 */
final class SumsFile {
  private static final String FORMAT = "mgsums";
  private static final String VERSION = "1";
  private static final String LINEAR = "linear";
  private static final double MOST = 1L << 53;

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Checkpoint file;
  private final Path path;
  private final Workspace ws;

  private SumsFile(Checkpoint file, Path path, Workspace ws) {
    this.file = file;
    this.path = path;
    this.ws = ws;
  }

  static void save(GridAccumulator from, Path path, Workspace ws) throws IOException {
    GridSums sums = from.finished();
    SumsFile out = new SumsFile(null, path, ws);
    double batches = 0;
    if (sums instanceof GridSums.Features features) {
      out.put(features.sums());
    } else if (sums instanceof GridSums.Minibatches minibatches) {
      out.put(minibatches.sums());
      batches = minibatches.sums().batches();
    } else if (sums instanceof GridSums.Full full) {
      out.put("a", full.leftRows());
      if (!full.same) {
        out.put("b", full.rightRows());
      }
    }
    out.put("counts", sums.samples(), batches, sums.leftOver(), from.dropped());
    Map<String, String> metadata =
        Map.ofEntries(
            Map.entry("format", FORMAT),
            Map.entry("version", VERSION),
            Map.entry("plan", sums.plan().kind().name()),
            Map.entry("batch", String.valueOf(sums.plan().batch())),
            Map.entry("flatten", from.options().flatten().name()),
            Map.entry("positions", String.valueOf(from.positions())),
            Map.entry("precision", from.options().precision().name()),
            Map.entry("layers-a", lines(from.layersA())),
            Map.entry("layers-b", lines(from.layersB())),
            Map.entry("remainder", sums.plan().remainder().name()),
            Map.entry("kernel", kernel(sums.plan().kernel())));
    // Not closed as a whole: the products belong to the sums.
    Safetensors.write(MemoryCheckpoint.of(out.tensors), metadata, path, ws);
  }

  private static String kernel(Kernel kernel) {
    return kernel instanceof Kernel.Rbf rbf ? rbf.bandwidth().name() + " " + rbf.t() : LINEAR;
  }

  private Kernel kernel() throws FormatException {
    String text = file.metadata().getOrDefault("kernel", LINEAR);
    if (text.equals(LINEAR)) {
      return Kernel.linear();
    }
    String[] parts = text.split(" ");
    try {
      return new Kernel.Rbf(
          Kernel.Bandwidth.valueOf(parts[0]), Double.parseDouble(parts[parts.length - 1]));
    } catch (IllegalArgumentException e) {
      throw new FormatException(path + ": kernel is '" + text + "'", e);
    }
  }

  private static String lines(List<Layer> layers) {
    return layers.stream()
        .map(layer -> layer.model() + " " + layer.featureAxis() + " " + layer.tap())
        .collect(Collectors.joining("\n"));
  }

  private void put(String name, double... values) {
    tensors.put(name, Tensor.of(values, values.length));
  }

  private void put(FeatureSums sums) {
    put("a", sums.left());
    put("b", sums.right());
    for (int i = 0; i < sums.left().size(); i++) {
      for (int j = 0; j < sums.right().size(); j++) {
        PairSums pair = sums.pair(i, j);
        String name = "pair/" + i + "," + j;
        tensors.put(name + "/products", pair.products().asTensor());
        put(name + "/squares", pair.normProducts());
        put(name + "/left", pair.b());
        put(name + "/right", pair.a());
      }
    }
  }

  private void put(String side, List<LayerSums> layers) {
    for (int l = 0; l < layers.size(); l++) {
      LayerSums layer = layers.get(l);
      String name = side + "/" + l;
      put(name + "/mean", layer.mean());
      put(name + "/sums", layer.sumOfNorms(), layer.own().normProducts());
      put(name + "/third", layer.own().a());
      tensors.put(name + "/products", layer.own().products().asTensor());
    }
  }

  private void put(MinibatchSums sums) {
    tensors.put("cross", Matrix.of(sums.cross()).asTensor());
    put("own/a", sums.ownA());
    put("own/b", sums.ownB());
    put("rounding/a", sums.roundingA());
    put("rounding/b", sums.roundingB());
    put("bandwidths", sums.kernels().bandwidths());
  }

  private void put(String side, GramRows rows) {
    tensors.put(side + "/triangles", rows.triangles().asTensor());
    tensors.put(side + "/norms", rows.norms().asTensor());
    tensors.put(side + "/along", rows.along().asTensor());
    put(side + "/widths", Arrays.stream(rows.widths()).asDoubleStream().toArray());
  }

  static GridAccumulator load(Path path, Workspace ws) throws IOException {
    try (Checkpoint file = Safetensors.open(path)) {
      return new SumsFile(file, path, ws).load();
    }
  }

  private GridAccumulator load() throws IOException {
    Map<String, String> metadata = file.metadata();
    if (!FORMAT.equals(metadata.get("format")) || !VERSION.equals(metadata.get("version"))) {
      throw new FormatException(
          path + ": metadata says " + metadata + ", expected format mgsums version " + VERSION);
    }
    List<Layer> a = layers("layers-a");
    List<Layer> b = layers("layers-b");
    boolean same = a.equals(b);
    Remainder remainder =
        file.metadata().containsKey("remainder")
            ? choice(Remainder.class, "remainder")
            : Remainder.DROP;
    Plan plan =
        new Plan(choice(Plan.Kind.class, "plan"), (int) number("batch"), 0, remainder, kernel());
    DType precision = choice(DType.class, "precision");
    Options options =
        new Options(choice(Flatten.class, "flatten"), plan, 0, precision, NonFinite.FAIL);
    double[] counts = counts();
    int positions = file.metadata().containsKey("positions") ? (int) number("positions") : 1;
    int layers = a.size() + (same ? 0 : b.size());
    BatchKernels kernels =
        new BatchKernels(
            plan.kernel(),
            precision,
            file.tensors().containsKey("bandwidths")
                ? values("bandwidths", layers)
                : new double[layers]);
    GridSums sums =
        switch (plan.kind()) {
          case FEATURE ->
              new GridSums.Features(
                  plan, a.size(), same, features(a.size(), b.size(), (long) counts[0]), ws);
          case MINIBATCH ->
              new GridSums.Minibatches(
                  plan,
                  a.size(),
                  same,
                  minibatches(a.size(), b.size(), counts, kernels),
                  (long) counts[2],
                  ws);
          case FULL -> full(plan, a.size(), same ? 0 : b.size(), samples(counts[0]), precision);
        };
    return new GridAccumulator(a, b, -1, options, ws).resumed(sums, (long) counts[3], positions);
  }

  /**
   * @param b layers of B; 0 where they are those of A
   */
  private GridSums full(Plan plan, int a, int b, int samples, DType precision) throws IOException {
    try (Opened opened = new Opened()) {
      GramRows left = opened.add(grams("a", a, samples));
      GramRows right = b == 0 ? left : opened.add(grams("b", b, samples));
      GridSums.Full sums = new GridSums.Full(plan, b == 0, left, right, precision, ws);
      opened.release();
      return sums;
    }
  }

  private GramRows grams(String side, int layers, int n) throws IOException {
    long[] widths = new long[layers];
    double[] given = values(side + "/widths", layers);
    for (int l = 0; l < layers; l++) {
      if (!(given[l] >= 1 && given[l] <= MOST && given[l] == Math.rint(given[l]))) {
        throw new FormatException(path + ": '" + side + "/widths' holds " + given[l]);
      }
      widths[l] = (long) given[l];
    }
    try (Opened opened = new Opened()) {
      Matrix triangles =
          opened.add(matrix(side + "/triangles", layers, Math.toIntExact((long) n * (n - 1) / 2)));
      Matrix norms = opened.add(hosted(side + "/norms", layers, n));
      Matrix along = opened.add(hosted(side + "/along", layers, n));
      opened.release();
      return new GramRows(triangles, norms, along, widths);
    }
  }

  private Matrix hosted(String name, int rows, int columns) throws IOException {
    try (Matrix read = matrix(name, rows, columns)) {
      return Matrix.of(read.toHost(ws).toArray());
    }
  }

  private double[] counts() throws IOException {
    double[] counts = values("counts", 4);
    for (double count : counts) {
      if (!(count >= 0 && count <= MOST && count == Math.rint(count))) {
        throw new FormatException(path + ": 'counts' holds " + count + ", which is no number");
      }
    }
    return counts;
  }

  /** Of Gram matrices that were kept whole. */
  private int samples(double count) {
    if (!(count >= Plan.LEAST_FULL && count <= Plan.MOST_SAMPLES)) {
      throw new FormatException(
          "%s: 'counts' holds %.0f samples; Gram matrices are kept of %d to %d"
              .formatted(path, count, Plan.LEAST_FULL, Plan.MOST_SAMPLES));
    }
    return (int) count;
  }

  private FeatureSums features(int a, int b, long samples) throws IOException {
    try (Opened opened = new Opened()) {
      List<LayerSums> left = layers("a", a, samples, opened);
      List<LayerSums> right = layers("b", b, samples, opened);
      List<List<PairSums>> pairs = new ArrayList<>();
      for (int i = 0; i < a; i++) {
        List<PairSums> row = new ArrayList<>();
        pairs.add(row);
        for (int j = 0; j < b; j++) {
          int p = left.get(i).mean().length;
          int q = right.get(j).mean().length;
          String name = "pair/" + i + "," + j;
          Matrix products = opened.add(matrix(name + "/products", p, q));
          row.add(
              PairSums.of(
                  products,
                  values(name + "/squares", 1)[0],
                  values(name + "/right", q),
                  values(name + "/left", p)));
        }
      }
      opened.release();
      return FeatureSums.of(left, right, pairs);
    }
  }

  private List<LayerSums> layers(String side, int count, long samples, Opened opened)
      throws IOException {
    List<LayerSums> layers = new ArrayList<>();
    for (int l = 0; l < count; l++) {
      String name = side + "/" + l;
      double[] mean = values(name + "/mean", -1);
      double[] sums = values(name + "/sums", 2);
      double[] third = values(name + "/third", mean.length);
      Matrix products = opened.add(matrix(name + "/products", mean.length, mean.length));
      PairSums own = PairSums.of(products, sums[1], third, third.clone());
      layers.add(new LayerSums(samples, mean, sums[0], own));
    }
    return layers;
  }

  private MinibatchSums minibatches(int a, int b, double[] counts, BatchKernels kernels)
      throws IOException {
    try (Matrix cross = matrix("cross", a, b);
        Matrix host = cross.toHost(ws)) {
      return new MinibatchSums(
          host.toArray(),
          new double[][] {values("own/a", a), values("own/b", b)},
          new double[][] {values("rounding/a", a), values("rounding/b", b)},
          (long) counts[1],
          (long) counts[0],
          kernels);
    }
  }

  private List<Layer> layers(String field) throws FormatException {
    List<Layer> layers = new ArrayList<>();
    for (String line : file.metadata().getOrDefault(field, "").split("\n")) {
      String[] parts = line.split(" ", 3);
      try {
        layers.add(new Layer(Integer.parseInt(parts[0]), parts[2], Integer.parseInt(parts[1])));
      } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
        throw new FormatException(path + ": " + field + " has '" + line + "'", e);
      }
    }
    return layers;
  }

  private <E extends Enum<E>> E choice(Class<E> type, String field) throws FormatException {
    String found = file.metadata().getOrDefault(field, "");
    try {
      return Enum.valueOf(type, found);
    } catch (IllegalArgumentException e) {
      throw new FormatException(path + ": " + field + " is '" + found + "'", e);
    }
  }

  private long number(String field) throws FormatException {
    String found = file.metadata().getOrDefault(field, "");
    try {
      return Integer.parseInt(found);
    } catch (NumberFormatException e) {
      throw new FormatException(path + ": " + field + " is '" + found + "'", e);
    }
  }

  private TensorInfo info(String name, int rank) throws FormatException {
    TensorInfo info = file.tensors().get(name);
    if (info == null) {
      throw new FormatException(path + ": there is no '" + name + "'");
    }
    if (info.dtype() != DType.F64 || info.rank() != rank) {
      throw new FormatException(path + ": '" + name + "' is " + info);
    }
    return info;
  }

  /** An F64 vector; of any length when {@code length} is -1. */
  private double[] values(String name, int length) throws IOException {
    TensorInfo info = info(name, 1);
    if (length >= 0 && info.dim(0) != length) {
      throw new FormatException(path + ": '" + name + "' is " + info);
    }
    try (Tensor tensor = file.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }

  private Matrix matrix(String name, int rows, int columns) throws IOException {
    TensorInfo info = info(name, 2);
    if (info.dim(0) != rows || info.dim(1) != columns) {
      throw new FormatException(path + ": '" + name + "' is " + info);
    }
    return Matrix.of(file.readOn(name, ws));
  }
}
