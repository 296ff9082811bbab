// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.QueryKey;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/** Elements drawn from a seed; each part from a stream of its own. */
final class RandomSymmetry {
  /** Most reflections of an orthogonal matrix; fewer than its size mix every channel as well. */
  private static final int REFLECTIONS = 64;

  private final TransformerConfig config;
  private final Set<Kind> kinds;
  private final long seed;

  RandomSymmetry(TransformerConfig config, Set<Kind> kinds, long seed) {
    this.config = config;
    this.kinds = kinds;
    this.seed = seed;
  }

  SymmetryElement element() {
    List<LayerSymmetry> layers = new ArrayList<>();
    for (int i = 0; i < config.layers(); i++) {
      layers.add(layer("layer " + i + " "));
    }
    return new SymmetryElement(
        config,
        residual(),
        layers,
        gains() && config.hasHead() ? factors("final gain", config.hidden(), true) : new double[0]);
  }

  private boolean gains() {
    return kinds.contains(Kind.GAINS) && !config.postNorm() && !kinds.contains(Kind.ROTATION);
  }

  private LayerSymmetry layer(String name) {
    int m = config.intermediate();
    double[] scales = new double[m];
    Arrays.fill(scales, 1);
    boolean positive = config.activation() == Activation.RELU;
    if (kinds.contains(Kind.UNIT_SCALES) && (config.gated() || positive)) {
      scales = factors(name + "scales", m, config.gated());
    }
    int[] order = order(name + "heads", config.keyValueHeads(), Kind.HEADS);
    List<HeadSymmetry> heads = new ArrayList<>();
    for (int k = 0; k < order.length; k++) {
      heads.add(head(name + "head " + k + " ", order[k]));
    }
    return new LayerSymmetry(
        order(name + "units", m, Kind.UNITS),
        scales,
        heads,
        gains() ? factors(name + "attention gain", config.hidden(), true) : new double[0],
        gains() ? factors(name + "mlp gain", config.hidden(), true) : new double[0],
        kinds.contains(Kind.UNIT_SCALES) && config.gated() && positive
            ? factors(name + "gates", m, false)
            : new double[0],
        queryKeyGain(name + "gain of queries and keys"));
  }

  private double[] queryKeyGain(String name) {
    boolean drawn = kinds.contains(Kind.GAINS) && config.queryKeyNorm();
    int size = config.headSize() / (config.rope().isPresent() ? 2 : 1);
    return drawn ? factors(name, size, true) : new double[0];
  }

  private HeadSymmetry head(String name, int source) {
    double[] value = {};
    double[] inverse = {};
    if (kinds.contains(Kind.VALUE_OUTPUT)) {
      double[][] pair = invertible(name + "value");
      value = pair[0];
      inverse = pair[1];
    }
    boolean biases = config.attentionBias() && config.outputBias();
    return new HeadSymmetry(
        source,
        order(name + "queries", config.group(), Kind.HEADS),
        value,
        inverse,
        queryKey(name + "query and key"),
        kinds.contains(Kind.SHIFT) && biases
            ? uniform(name + "shift", config.headSize(), -1, 1)
            : new double[0]);
  }

  private QueryKey queryKey(String name) {
    int pairs = config.headSize() / 2;
    boolean wanted = kinds.contains(Kind.QUERY_KEY);
    if (config.rope().isEmpty()) {
      if (!wanted || config.queryKeyNorm()) {
        return Dense.IDENTITY;
      }
      double[][] pair = invertible(name);
      return new Dense(pair[0], Squares.transpose(pair[1]));
    }
    if (!wanted) {
      return Rotary.identity(pairs);
    }
    if (config.queryKeyNorm()) {
      SplittableRandom random = Seeds.stream(seed, name);
      double[] ones = new double[pairs];
      Arrays.fill(ones, 1);
      return new Rotary(
          IntStream.range(0, pairs).mapToDouble(i -> random.nextBoolean() ? Math.PI : 0).toArray(),
          ones);
    }
    return new Rotary(
        uniform(name + " phase", pairs, -Math.PI, Math.PI), factors(name + " ratio", pairs, false));
  }

  private Residual residual() {
    if (kinds.contains(Kind.ROTATION) && !config.postNorm()) {
      return new Orthogonal(rotation());
    }
    if (!kinds.contains(Kind.RESIDUAL)) {
      return new None();
    }
    return permutation();
  }

  private SignedPermutation permutation() {
    SplittableRandom random = Seeds.stream(seed, "signs");
    int all = random.nextBoolean() ? 1 : -1;
    boolean centred = config.norm() == Norm.LAYER;
    int[] signs =
        IntStream.range(0, config.hidden())
            .map(i -> centred ? all : random.nextBoolean() ? 1 : -1)
            .toArray();
    return new SignedPermutation(Seeds.order(config.hidden(), seed, "residual"), signs);
  }

  /** Reflections I - 2 v v', of v without a mean where norms centre, after a signed permutation. */
  private Matrix rotation() {
    int d = config.hidden();
    SignedPermutation start = permutation();
    int[] order = start.permutation();
    int[] signs = start.signs();
    double[][] rows = new double[d][d];
    for (int i = 0; i < d; i++) {
      rows[i][order[i]] = signs[i];
    }
    for (int k = 0; k < Math.min(d, REFLECTIONS); k++) {
      double[] v = uniform("reflection " + k, d, -1, 1);
      double mean = config.norm() == Norm.LAYER ? Arrays.stream(v).sum() / d : 0;
      double square = Arrays.stream(v).map(each -> (each - mean) * (each - mean)).sum();
      double[] product = new double[d];
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          product[j] += (v[i] - mean) * rows[i][j];
        }
      }
      for (int i = 0; i < d; i++) {
        double factor = 2 * (v[i] - mean) / square;
        for (int j = 0; j < d; j++) {
          rows[i][j] -= factor * product[j];
        }
      }
    }
    return Matrix.of(rows);
  }

  /** Q diag(s) P and its inverse, of reflections Q and P of the size of a head. */
  private double[][] invertible(String name) {
    int n = config.headSize();
    double[] matrix = Squares.identity(n);
    double[] inverse = Squares.identity(n);
    for (int k = 0; k < 2 * n; k++) {
      if (k == n) {
        double[] s = factors(name + " s", n, true);
        for (int i = 0; i < n; i++) {
          for (int j = 0; j < n; j++) {
            matrix[i * n + j] *= s[i];
            inverse[i * n + j] /= s[j];
          }
        }
      }
      double[] v = uniform(name + " " + k, n, -1, 1);
      Squares.reflectRows(matrix, v);
      Squares.reflectColumns(inverse, v);
    }
    return new double[][] {matrix, inverse};
  }

  private int[] order(String name, int n, Kind kind) {
    return kinds.contains(kind) ? Seeds.order(n, seed, name) : IntStream.range(0, n).toArray();
  }

  /** From 1/2 to 2, of either sign if wanted. */
  private double[] factors(String name, int n, boolean signs) {
    SplittableRandom random = Seeds.stream(seed, name);
    double[] factors = new double[n];
    for (int i = 0; i < n; i++) {
      factors[i] =
          StrictMath.pow(2, 2 * random.nextDouble() - 1) * (signs && random.nextBoolean() ? -1 : 1);
    }
    return factors;
  }

  private double[] uniform(String name, int n, double low, double high) {
    SplittableRandom random = Seeds.stream(seed, name);
    return IntStream.range(0, n)
        .mapToDouble(i -> low + (high - low) * random.nextDouble())
        .toArray();
  }
}
