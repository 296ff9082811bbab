// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.QueryKey;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryAligner.ValueOutput;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;

/**
 * The element of the symmetry group that balances a model: what cancels between two matrices is
 * shared evenly, so that of two models that differ by it the same becomes. Hidden units: {@code s_i
 * = sqrt(|Wd[:, i]| / |Wu[i, :]|)}. Pairs of keys and queries: {@code r = (|Q|^2 / |K|^2)^(1/4)}.
 * Values likewise, or with the whole map {@code A = S^(1/2)}, {@code S = X^-1/2 (X^1/2 Y X^1/2)^1/2
 * X^-1/2} of {@code X = V V^T}, {@code Y = sum_h O_h O_h^T}, which gives {@code A X A^T = A^-T Y
 * A^-1}: what is left between two balanced models is a rotation.
 */
final class Balance {
  /** Least share of the mean eigenvalue of X: below it a ridge is added. */
  private static final double RIDGE = 1e-6;

  private final ModelRows model;
  private final TransformerConfig config;
  private final Options options;
  private final Workspace ws;

  private Balance(ModelRows model, TransformerConfig config, Options options, Workspace ws) {
    this.model = model;
    this.config = config;
    this.options = options;
    this.ws = ws;
  }

  /** Whether anything is balanced. */
  static boolean asked(Options options) {
    return options.scales() == Scales.BALANCE
        || options.valueOutput() == ValueOutput.GENERAL
        || options.queryKey() == QueryKey.GENERAL;
  }

  static SymmetryElement of(
      ModelRows model, TransformerConfig config, Options options, Workspace ws) throws IOException {
    Balance balance = new Balance(model, config, options, ws);
    List<LayerSymmetry> layers = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      ws.cancellation().check();
      String at = "model.layers." + layer + ".";
      layers.add(
          new LayerSymmetry(
              IntStream.range(0, config.intermediate()).toArray(),
              balance.units(at + "mlp."),
              balance.heads(at + "self_attn."),
              new double[0],
              new double[0]));
    }
    return new SymmetryElement(config, new SymmetryElement.None(), layers, new double[0]);
  }

  private double[] units(String mlp) throws IOException {
    double[] scales = new double[config.intermediate()];
    Arrays.fill(scales, 1);
    boolean free = config.gated() || config.activation() == Activation.RELU;
    if (!free || !options.mlp() || options.scales() != Scales.BALANCE) {
      return scales;
    }
    try (Matrix up = model.reading(mlp + "up_proj", ws);
        Matrix down = model.writing(mlp + "down_proj", ws)) {
      double[] ups = Rows.of(up).squares();
      double[] downs = Rows.of(down).squares();
      Arrays.setAll(scales, i -> factor(ups[i], downs[i]));
      return scales;
    }
  }

  /** (y / x)^(1/4) of squares, within bounds; 1 where one is 0. */
  private static double factor(double x, double y) {
    if (x == 0 || y == 0) {
      return 1;
    }
    double factor = Math.sqrt(Math.sqrt(y / x));
    return Math.min(PairedScale.MOST, Math.max(PairedScale.LEAST, factor));
  }

  private List<HeadSymmetry> heads(String attention) throws IOException {
    List<HeadSymmetry> heads = new ArrayList<>();
    double[][] values = values(attention);
    List<HeadSymmetry.QueryKey> queryKeys = queryKeys(attention);
    for (int k = 0; k < config.keyValueHeads(); k++) {
      double[] inverse = values[k].length == 0 ? values[k] : inverse(values[k]);
      heads.add(
          new HeadSymmetry(
              k,
              IntStream.range(0, config.group()).toArray(),
              values[k],
              inverse,
              queryKeys.get(k),
              new double[0]));
    }
    return heads;
  }

  private double[] inverse(double[] square) {
    try (Matrix matrix = matrix(square);
        Svd svd = Svd.of(matrix, ws)) {
      double[] s = svd.singularValues();
      return product(svd, Arrays.stream(s).map(each -> 1 / each).toArray());
    }
  }

  private double[][] values(String attention) throws IOException {
    double[][] maps = new double[config.keyValueHeads()][0];
    boolean general = options.valueOutput() == ValueOutput.GENERAL;
    boolean scaled =
        options.valueOutput() == ValueOutput.ORTHOGONAL && options.scales() == Scales.BALANCE;
    if (!general && !scaled) {
      return maps;
    }
    // Biases of values count only where they cannot be shifted away.
    boolean shifts = model.has(attention + "v_proj.bias") && model.has(attention + "o_proj.bias");
    try (Matrix v =
            shifts
                ? model.matrix(attention + "v_proj.weight", ws)
                : model.reading(attention + "v_proj", ws);
        Matrix o = model.writing(attention + "o_proj", ws)) {
      for (int k = 0; k < maps.length; k++) {
        maps[k] = map(gram(v, k, 1), gram(o, k, config.group()), general);
      }
      return maps;
    }
  }

  private List<HeadSymmetry.QueryKey> queryKeys(String attention) throws IOException {
    int heads = config.keyValueHeads();
    List<HeadSymmetry.QueryKey> found = new ArrayList<>();
    boolean general = options.queryKey() == QueryKey.GENERAL && config.rope().isEmpty();
    boolean scaled = options.queryKey() != QueryKey.NONE && options.scales() == Scales.BALANCE;
    if (config.queryKeyNorm() || !general && !scaled) {
      for (int k = 0; k < heads; k++) {
        found.add(HeadSymmetry.identity(config, k).queryKey());
      }
      return found;
    }
    try (Matrix keys = model.reading(attention + "k_proj", ws);
        Matrix queries = model.reading(attention + "q_proj", ws)) {
      double[] keySquares = Rows.of(keys).squares();
      double[] querySquares = Rows.of(queries).squares();
      for (int k = 0; k < heads; k++) {
        if (config.rope().isPresent()) {
          found.add(pairs(keySquares, querySquares, k));
        } else {
          double[] map = map(gram(keys, k, 1), gram(queries, k, config.group()), general);
          double[] inverse = map.length == 0 ? map : Squares.transpose(inverse(map));
          found.add(new HeadSymmetry.Dense(map, inverse));
        }
      }
      return found;
    }
  }

  private HeadSymmetry.Rotary pairs(double[] keys, double[] queries, int head) {
    int size = config.headSize();
    double[] ratio = new double[size / 2];
    for (int i = 0; i < ratio.length; i++) {
      double key = keys[head * size + i] + keys[head * size + i + size / 2];
      double query = 0;
      for (int j = head * config.group(); j < (head + 1) * config.group(); j++) {
        query += queries[j * size + i] + queries[j * size + i + size / 2];
      }
      ratio[i] = factor(key, query);
    }
    return new HeadSymmetry.Rotary(new double[size / 2], ratio);
  }

  /** Sum of {@code rows rows^T} of the heads of a group, dh x dh. */
  private double[] gram(Matrix rows, int head, int group) {
    int size = config.headSize();
    double[] sum = new double[size * size];
    Rows all = Rows.of(rows);
    double[][] block = new double[size][all.width()];
    for (int j = 0; j < group; j++) {
      for (int i = 0; i < size; i++) {
        all.read((head * group + j) * size + i, block[i]);
        for (int e = 0; e <= i; e++) {
          double product = Rows.dot(block[i], block[e]);
          sum[i * size + e] += product;
          sum[e * size + i] += e == i ? 0 : product;
        }
      }
    }
    return sum;
  }

  /** A of the two Gram matrices; empty for the identity. */
  private double[] map(double[] x, double[] y, boolean general) {
    int size = config.headSize();
    double traceX = trace(x);
    double traceY = trace(y);
    if (traceX == 0 || traceY == 0) {
      return new double[0];
    }
    if (!general) {
      double factor = factor(traceX, traceY);
      return Arrays.stream(Squares.identity(size)).map(e -> e * factor).toArray();
    }
    double[] positiveX = positive(x, traceX);
    double[] root = power(positiveX, 0.5);
    double[] inverseRoot = power(positiveX, -0.5);
    double[] middle =
        power(Squares.multiply(root, Squares.multiply(positive(y, traceY), root)), 0.5);
    double[] mean = Squares.multiply(inverseRoot, Squares.multiply(middle, inverseRoot));
    return power(mean, 0.5);
  }

  private double trace(double[] square) {
    double trace = 0;
    for (int i = 0; i < config.headSize(); i++) {
      trace += square[i * config.headSize() + i];
    }
    return trace;
  }

  /** With a ridge where some direction is as good as nothing. */
  private double[] positive(double[] gram, double trace) {
    int size = config.headSize();
    double ridge = RIDGE * trace / size;
    try (Matrix matrix = matrix(gram);
        Svd svd = Svd.of(matrix, ws)) {
      double[] s = svd.singularValues();
      double[] sum = gram.clone();
      for (int i = 0; i < size && s[size - 1] < ridge; i++) {
        sum[i * size + i] += ridge;
      }
      return sum;
    }
  }

  /** Of a positive matrix. */
  private double[] power(double[] square, double exponent) {
    try (Matrix matrix = matrix(symmetric(square));
        Svd svd = Svd.of(matrix, ws)) {
      double[] s = svd.singularValues();
      return symmetric(
          Squares.transpose(
              product(
                  svd, Arrays.stream(s).map(each -> StrictMath.pow(each, exponent)).toArray())));
    }
  }

  private static double[] symmetric(double[] square) {
    double[] transposed = Squares.transpose(square);
    double[] mean = new double[square.length];
    Arrays.setAll(mean, i -> (square[i] + transposed[i]) / 2);
    return mean;
  }

  /** {@code V diag(s) U^T}. */
  private double[] product(Svd svd, double[] s) {
    try (Matrix left = svd.left().toHost(ws);
        Matrix right = svd.rightTransposed().toHost(ws)) {
      for (int i = 0; i < s.length; i++) {
        double[] row = right.row(i);
        for (int j = 0; j < row.length; j++) {
          row[j] *= s[i];
        }
        right.setRow(i, row);
      }
      try (Matrix product = LinAlg.multiply(left, right, ws);
          Matrix here = product.toHost(ws)) {
        return Squares.transpose(here.asTensor().toDoubleArray());
      }
    }
  }

  private Matrix matrix(double[] square) {
    int size = config.headSize();
    double[][] rows = new double[size][];
    Arrays.setAll(rows, i -> Arrays.copyOfRange(square, i * size, (i + 1) * size));
    return Matrix.of(rows);
  }
}
