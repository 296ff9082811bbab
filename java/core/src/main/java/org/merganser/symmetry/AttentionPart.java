// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.WeightPair.Both;
import org.merganser.transformer.TransformerConfig;

/** The attention of one layer of two models. */
final class AttentionPart implements LayerPart<List<HeadSymmetry>> {
  private final TransformerConfig config;
  private final GroupFit.Freedom freedom;
  private final Opened opened = new Opened();
  private final StreamVectors vectors = new StreamVectors();

  /** Gains of the norms of queries and keys, which no symmetry of ours moves. */
  private double headNorms;

  private Both queries;
  private Both keys;
  private Both values;
  private Both outputs;

  /**
   * Biases of values and of the output, the target's first; null where values cannot be shifted.
   */
  private double[][] valueBias;

  private double[][] outputBias;

  private AttentionPart(TransformerConfig config, GroupFit.Freedom freedom) {
    this.config = config;
    this.freedom = freedom;
  }

  static AttentionPart read(WeightPair models, int layer, GroupFit.Freedom freedom, Workspace ws)
      throws IOException {
    AttentionPart part = new AttentionPart(models.config(), freedom);
    try {
      part.read(models, "model.layers." + layer + ".", ws);
      return part;
    } catch (IOException | RuntimeException e) {
      part.close();
      throw e;
    }
  }

  private void read(WeightPair models, String layer, Workspace ws) throws IOException {
    String attention = layer + "self_attn.";
    queries = opened.add(models.reading(attention + "q_proj", ws));
    keys = opened.add(models.reading(attention + "k_proj", ws));
    outputs = opened.add(models.writing(attention + "o_proj", ws));
    boolean after = models.config().postNorm();
    vectors.norm(models, layer + (after ? "post_attention" : "input") + "_layernorm", ws);
    boolean shifts = models.has(attention + "v_proj.bias") && models.has(attention + "o_proj.bias");
    if (shifts) {
      values = opened.add(models.matrices(attention + "v_proj.weight", ws));
      valueBias = models.vectors(attention + "v_proj.bias", ws);
      outputBias = models.vectors(attention + "o_proj.bias", ws);
    } else {
      values = opened.add(models.reading(attention + "v_proj", ws));
      vectors.bias(models, attention + "o_proj.bias", ws);
    }
    for (String name : List.of("q_norm.weight", "k_norm.weight")) {
      if (models.has(attention + name)) {
        headNorms += WeightPair.squaredDistance(models.vectors(attention + name, ws));
      }
    }
  }

  @Override
  public void move(Stream stream, Workspace ws) {
    if (!stream.moves()) {
      return;
    }
    queries = moved(queries, stream, ws);
    keys = moved(keys, stream, ws);
    values = moved(values, stream, ws);
    outputs = moved(outputs, stream, ws);
    vectors.move(stream);
    if (outputBias != null) {
      outputBias[1] = stream.vector(outputBias[1]);
    }
  }

  private Both moved(Both rows, Stream stream, Workspace ws) {
    Both result = rows.moved(stream, ws);
    rows.source().close();
    return opened.add(result);
  }

  @Override
  public List<HeadSymmetry> match(List<HeadSymmetry> previous, Workspace ws) {
    try (Opened products = new Opened()) {
      List<HeadSymmetry> found =
          HeadMatching.match(
              new HeadProducts(
                  config.headSize(),
                  products(queries, products, ws),
                  products(keys, products, ws),
                  products(values, products, ws),
                  products(outputs, products, ws)),
              freedom,
              previous,
              ws);
      return completed(found, ws);
    }
  }

  /** With shifts of values, where there are any. */
  @Override
  public List<HeadSymmetry> completed(List<HeadSymmetry> heads, Workspace ws) {
    boolean shifts = valueBias != null && freedom.values() != RotationFit.Freedom.NONE;
    return shifts ? shifted(heads, ws) : heads;
  }

  private static HeadProducts.Part products(Both rows, Opened opened, Workspace ws) {
    long n = rows.target().rows();
    Matrix products = opened.add(Matrix.of(Tensor.zeros(rows.target().dtype(), n, n)));
    LinAlg.addProduct(1, rows.target(), rows.source(), products, ws);
    return HeadProducts.Part.of(products, Rows.of(rows.source()).squares());
  }

  /**
   * With the shifts c of values that bring both biases nearest to the target's: the least of {@code
   * |bv + c - bv_t|^2 + |bo - Z^T c - bo_t|^2}, where Z are the rows of the output summed over each
   * group; {@code (I + Z Z^T) c = bv_t - bv + Z (bo - bo_t)}.
   */
  private List<HeadSymmetry> shifted(List<HeadSymmetry> heads, Workspace ws) {
    int size = config.headSize();
    int n = heads.size() * size;
    double[] bias = movedBias(heads, valueBias[1]);
    double[] rest = new double[outputBias[0].length];
    Arrays.setAll(rest, j -> outputBias[1][j] - outputBias[0][j]);
    try (Matrix z = groupSums(heads);
        Matrix gram = Matrix.identity(n);
        Matrix right = Matrix.zeros(n, 1)) {
      LinAlg.addProduct(1, z, z, gram, ws);
      for (int i = 0; i < n; i++) {
        right.set(i, 0, valueBias[0][i] - bias[i] + Rows.dot(z.row(i), rest));
      }
      List<HeadSymmetry> result = new ArrayList<>();
      try (Matrix solved = LinAlg.solve(gram, right, ws);
          Matrix here = solved.toHost(ws)) {
        double[] c = here.asTensor().toDoubleArray();
        for (int k = 0; k < heads.size(); k++) {
          HeadSymmetry head = heads.get(k);
          double[] shift = Arrays.copyOfRange(c, k * size, (k + 1) * size);
          result.add(
              new HeadSymmetry(
                  head.source(),
                  head.queries(),
                  head.value(),
                  head.valueInverse(),
                  head.queryKey(),
                  shift));
        }
      }
      return result;
    }
  }

  /** A bv, without shifts. */
  private double[] movedBias(List<HeadSymmetry> heads, double[] bias) {
    double[][] column = new double[bias.length][1];
    Arrays.setAll(column, i -> new double[] {bias[i]});
    try (Matrix matrix = Matrix.of(column);
        Matrix moved = new MovedHeads(heads, config.headSize()).values(matrix)) {
      return moved.asTensor().toDoubleArray();
    }
  }

  /** Moved rows of the output, summed over the query heads of each KV head, F64. */
  private Matrix groupSums(List<HeadSymmetry> heads) {
    int size = config.headSize();
    int group = config.group();
    try (Matrix moved = new MovedHeads(heads, size).outputs(outputs.source())) {
      Rows rows = Rows.of(moved);
      Matrix sums = Matrix.allocate((long) heads.size() * size, moved.columns());
      double[] row = new double[rows.width()];
      for (int k = 0; k < heads.size(); k++) {
        for (int i = 0; i < size; i++) {
          double[] sum = new double[row.length];
          for (int j = 0; j < group; j++) {
            rows.read((k * group + j) * size + i, row);
            for (int e = 0; e < sum.length; e++) {
              sum[e] += row[e];
            }
          }
          Rows.write(sums, k * size + i, sum);
        }
      }
      return sums;
    }
  }

  @Override
  public Fit fit(List<HeadSymmetry> heads) {
    MovedHeads moved = new MovedHeads(heads, config.headSize());
    Fit fit = new Fit(heads.size());
    add(fit, "query", queries, moved.queries(queries.source()));
    add(fit, "key", keys, moved.keys(keys.source()));
    add(fit, "value", values, moved.values(values.source()));
    add(fit, "output", outputs, moved.outputs(outputs.source()));
    if (valueBias != null) {
      double[] bias = movedBias(heads, valueBias[1]);
      double[] shift = shift(heads);
      Arrays.setAll(bias, i -> bias[i] + shift[i]);
      double[][] values = {valueBias[0], bias};
      double[][] outputs = {outputBias[0], movedOutput(heads)};
      fit.distance("value", WeightPair.squaredDistance(values));
      fit.distance("output", WeightPair.squaredDistance(outputs));
    }
    return fit.distance("norm", vectors.squaredDistance() + headNorms);
  }

  private static void add(Fit fit, String family, Both rows, Matrix moved) {
    try (moved) {
      fit.rows(family, Rows.of(rows.target()), Rows.of(moved));
    }
  }

  /** c of all heads, one after the other. */
  private double[] shift(List<HeadSymmetry> heads) {
    int size = config.headSize();
    double[] all = new double[heads.size() * size];
    for (int k = 0; k < heads.size(); k++) {
      double[] shift = heads.get(k).shift();
      System.arraycopy(shift, 0, all, k * size, shift.length);
    }
    return all;
  }

  /** bo - Z^T c. */
  private double[] movedOutput(List<HeadSymmetry> heads) {
    double[] bias = outputBias[1].clone();
    double[] shift = shift(heads);
    if (Arrays.stream(shift).allMatch(c -> c == 0)) {
      return bias;
    }
    try (Matrix z = groupSums(heads)) {
      Rows rows = Rows.of(z);
      double[] row = new double[rows.width()];
      for (int i = 0; i < shift.length; i++) {
        rows.read(i, row);
        for (int j = 0; j < bias.length; j++) {
          bias[j] -= shift[i] * row[j];
        }
      }
    }
    return bias;
  }

  @Override
  public void addCross(List<HeadSymmetry> heads, Crosses sums, Workspace ws) {
    MovedHeads moved = new MovedHeads(heads, config.headSize());
    addCross(queries, moved.queries(queries.source()), sums, ws);
    addCross(keys, moved.keys(keys.source()), sums, ws);
    addCross(values, moved.values(values.source()), sums, ws);
    addCross(outputs, moved.outputs(outputs.source()), sums, ws);
    if (outputBias != null) {
      sums.addVector(new double[][] {outputBias[0], movedOutput(heads)}, ws);
    }
    vectors.addCross(sums, ws);
  }

  private static void addCross(Both rows, Matrix moved, Crosses sums, Workspace ws) {
    try (moved) {
      sums.addRows(Rows.of(rows.target()), Rows.of(moved), ws);
    }
  }

  @Override
  public void close() {
    opened.close();
  }
}
