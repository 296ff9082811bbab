// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Close;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

/**
 * Layouts of attention, recurrent gates and shuffled channels, described by blocks: what the
 * families say is kept is kept by networks in plain Java, and what they do not is not.
 */
class BlockLayoutsTest {
  private static final int HEADS = 3;
  private static final int DH = 4;
  private static final int D = HEADS * DH;
  private static final int MODEL = 5;

  /** Where query, key and value of each head lie in the fused axis. */
  private enum Fused {
    /** All queries, then all keys, then all values (GPT-2). */
    STACKED {
      @Override
      Block block(int which) {
        return new Block((long) which * D, DH);
      }
    },
    /** Query, key and value of a head, then those of the next (GPT-NeoX). */
    BY_HEAD {
      @Override
      Block block(int which) {
        return new Block((long) which * DH, DH, 3L * DH);
      }
    };

    abstract Block block(int which);

    int entry(int which, int head, int k) {
      Block block = block(which);
      return (int) (block.offset() + head * block.stride() + k);
    }
  }

  @ParameterizedTest
  @MethodSource("layouts")
  void headsMoveAsAWhole(Fused fused, DType dtype) throws IOException {
    Architecture architecture =
        Architecture.builder()
            .space(new FeatureSpace("heads", HEADS, MapFamily.PERMUTATION, headBindings(fused)))
            .build();
    MemoryCheckpoint model = attention(dtype);
    architecture.require("attention", model);
    Map<String, int[]> orders = Map.of("heads", new int[] {2, 0, 1});
    Checkpoint mapped =
        Alignment.of("t", architecture, Map.of("heads", ScaledPermutation.of(2, 0, 1)))
            .apply(model);
    Models.assertSameBits("moved", mapped, Models.permute(model, architecture, orders, WS), WS);
    // Another order of heads is another order of the terms of a sum.
    Close.relative("outputs", attend(mapped, fused), attend(model, fused), 1e-12);
  }

  static Stream<Arguments> layouts() {
    return Stream.of(Fused.values())
        .flatMap(
            fused ->
                Stream.of(DType.F64, DType.F32, DType.BF16)
                    .map(dtype -> Arguments.of(fused, dtype)));
  }

  private static List<Binding> headBindings(Fused fused) {
    List<Binding> bindings = new ArrayList<>();
    for (int which = 0; which < 3; which++) {
      bindings.add(new Binding("qkv.weight", 0, Role.WEIGHT_OUT, fused.block(which)));
      bindings.add(new Binding("qkv.bias", 0, Role.BIAS, fused.block(which)));
    }
    bindings.add(new Binding("o.weight", 1, Role.WEIGHT_IN, new Block(0, DH)));
    return bindings;
  }

  /**
   * Values of a head enter linearly, so any invertible map of them is undone by what reads them.
   */
  @ParameterizedTest
  @MethodSource("layouts")
  void valuesOfAHeadTakeAnyMap(Fused fused, DType dtype) throws IOException {
    Architecture.Builder builder = Architecture.builder();
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    for (int h = 0; h < HEADS; h++) {
      builder.space(
          "values" + h,
          DH,
          MapFamily.ANY_LINEAR,
          new Binding("qkv.weight", 0, Role.WEIGHT_OUT, new Block(fused.entry(2, h, 0), 1)),
          new Binding("qkv.bias", 0, Role.BIAS, new Block(fused.entry(2, h, 0), 1)),
          new Binding("o.weight", 1, Role.WEIGHT_IN, new Block((long) h * DH, 1)));
      double[][] t = Oracle.mixing(DH, h);
      maps.put("values" + h, LinearMap.of(Matrix.of(t), Matrix.of(Oracle.inverse(t))));
    }
    MemoryCheckpoint model = attention(dtype);
    Alignment alignment = Alignment.of("t", builder.build(), maps);
    assertThat(alignment.isExact()).isTrue();
    double tolerance = dtype == DType.F64 ? 1e-12 : dtype == DType.F32 ? 1e-5 : 0.1;
    double[] before = attend(model, fused);
    Close.relative("outputs", attend(alignment.apply(model), fused), before, tolerance);
  }

  /** A query that takes a map its key does not take attends elsewhere. */
  @Test
  void aForgottenBlockShows() throws IOException {
    List<Binding> without = new ArrayList<>(headBindings(Fused.BY_HEAD));
    without.remove(0);
    Architecture architecture =
        Architecture.builder()
            .space(new FeatureSpace("heads", HEADS, MapFamily.PERMUTATION, without))
            .build();
    MemoryCheckpoint model = attention(DType.F64);
    Checkpoint mapped =
        Alignment.of("t", architecture, Map.of("heads", ScaledPermutation.of(2, 0, 1)))
            .apply(model);
    double[] before = attend(model, Fused.BY_HEAD);
    double[] after = attend(mapped, Fused.BY_HEAD);
    double apart =
        IntStream.range(0, before.length)
            .mapToDouble(i -> Math.abs(before[i] - after[i]))
            .max()
            .orElseThrow();
    assertThat(apart).isGreaterThan(1e-3);
  }

  private static MemoryCheckpoint attention(DType dtype) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("qkv.weight", random(dtype, 1, 3 * D, MODEL));
    tensors.put("qkv.bias", random(dtype, 2, 3 * D));
    tensors.put("o.weight", random(dtype, 3, MODEL, D));
    return MemoryCheckpoint.of(tensors);
  }

  /** Outputs of attention over six tokens, one after the other. */
  private static double[] attend(Checkpoint theta, Fused fused) throws IOException {
    double[][] tokens = Oracle.gaussian(6, MODEL, 11);
    double[][] w = rows(theta, "qkv.weight", MODEL);
    double[] b = values(theta, "qkv.bias");
    double[][] o = rows(theta, "o.weight", D);
    double[][] fusedOut = new double[tokens.length][];
    for (int t = 0; t < tokens.length; t++) {
      fusedOut[t] = affine(w, b, tokens[t]);
    }
    double[] result = new double[tokens.length * MODEL];
    for (int t = 0; t < tokens.length; t++) {
      double[] heads = new double[D];
      for (int h = 0; h < HEADS; h++) {
        double[] scores = new double[tokens.length];
        double sum = 0;
        for (int s = 0; s < tokens.length; s++) {
          for (int k = 0; k < DH; k++) {
            scores[s] +=
                fusedOut[t][fused.entry(0, h, k)]
                    * fusedOut[s][fused.entry(1, h, k)]
                    / Math.sqrt(DH);
          }
          scores[s] = Math.exp(scores[s]);
          sum += scores[s];
        }
        for (int s = 0; s < tokens.length; s++) {
          for (int k = 0; k < DH; k++) {
            heads[h * DH + k] += scores[s] / sum * fusedOut[s][fused.entry(2, h, k)];
          }
        }
      }
      System.arraycopy(affine(o, new double[MODEL], heads), 0, result, t * MODEL, MODEL);
    }
    return result;
  }

  /** The gates i, f, g, o of an LSTM are stacked: four blocks on each axis that writes them. */
  @ParameterizedTest
  @ValueSource(ints = {1, 4, 7})
  void hiddenUnitsOfAnLstmMoveWithAllTheirGates(int n) throws IOException {
    List<Binding> bindings = new ArrayList<>();
    for (int gate = 0; gate < 4; gate++) {
      Block block = new Block((long) gate * n, 1);
      bindings.add(new Binding("weight_ih", 0, Role.WEIGHT_OUT, block));
      bindings.add(new Binding("weight_hh", 0, Role.WEIGHT_OUT, block));
      bindings.add(new Binding("bias", 0, Role.BIAS, block));
    }
    bindings.add(Binding.of("weight_hh", 1, Role.WEIGHT_IN));
    bindings.add(Binding.of("out.weight", 1, Role.WEIGHT_IN));
    Architecture architecture =
        Architecture.builder()
            .space(new FeatureSpace("h", n, MapFamily.PERMUTATION, bindings))
            .build();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("weight_ih", random(DType.F32, 1, 4 * n, MODEL));
    tensors.put("weight_hh", random(DType.F32, 2, 4 * n, n));
    tensors.put("bias", random(DType.F32, 3, 4 * n));
    tensors.put("out.weight", random(DType.F32, 4, 2, n));
    MemoryCheckpoint model = MemoryCheckpoint.of(tensors);
    architecture.require("lstm", model);
    assertThat(architecture.doubts(model)).isEmpty();
    int[] order = Oracle.permutation(n, 5);
    Alignment alignment = Alignment.of("t", architecture, Map.of("h", ScaledPermutation.of(order)));
    Checkpoint mapped = alignment.apply(model);
    Models.assertSameBits(
        "moved", mapped, Models.permute(model, architecture, Map.of("h", order), WS), WS);
    Close.relative("outputs", lstm(mapped, n), lstm(model, n), 1e-12);
    Models.assertSameBits("back", alignment.inverse().apply(mapped), model, WS);
  }

  private static double[] lstm(Checkpoint theta, int n) throws IOException {
    double[][] in = rows(theta, "weight_ih", MODEL);
    double[][] hidden = rows(theta, "weight_hh", n);
    double[] bias = values(theta, "bias");
    double[] h = new double[n];
    double[] c = new double[n];
    for (double[] x : Oracle.gaussian(9, MODEL, 12)) {
      double[] gates = affine(hidden, affine(in, bias, x), h);
      for (int j = 0; j < n; j++) {
        c[j] = sigmoid(gates[n + j]) * c[j] + sigmoid(gates[j]) * Math.tanh(gates[2 * n + j]);
        h[j] = sigmoid(gates[3 * n + j]) * Math.tanh(c[j]);
      }
    }
    return affine(rows(theta, "out.weight", n), new double[2], h);
  }

  private static double sigmoid(double z) {
    return 1 / (1 + Math.exp(-z));
  }

  /** Groups of channels that a shuffle deals out: group j has every g-th channel from j on. */
  @Test
  void shuffledChannelsKeepTheirGroups() throws IOException {
    int groups = 3;
    int each = 4;
    Architecture.Builder builder = Architecture.builder();
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    for (int g = 0; g < groups; g++) {
      builder.space(
          "group" + g,
          each,
          MapFamily.SCALED_PERMUTATION,
          new Binding("first", 0, Role.WEIGHT_OUT, new Block((long) g * each, 1)),
          new Binding("second", 1, Role.WEIGHT_IN, new Block(g, 1, groups)));
      maps.put(
          "group" + g,
          ScaledPermutation.of(Oracle.permutation(each, g), new double[] {1, 2, 0.5, 4}));
    }
    MemoryCheckpoint model =
        MemoryCheckpoint.of(
            Map.of(
                "first", random(DType.F64, 1, groups * each, MODEL),
                "second", random(DType.F64, 2, 2, groups * each)));
    Architecture architecture = builder.build();
    architecture.require("shuffled", model);
    Alignment alignment = Alignment.of("t", architecture, maps);
    assertThat(alignment.isExact()).isTrue();
    Close.relative(
        "outputs", shuffled(alignment.apply(model), groups), shuffled(model, groups), 1e-12);
    double[] wrong = shuffled(model, 1);
    assertThat(Math.abs(wrong[0] - shuffled(model, groups)[0])).isGreaterThan(1e-3);
  }

  private static double[] shuffled(Checkpoint theta, int groups) throws IOException {
    double[][] first = rows(theta, "first", MODEL);
    int channels = first.length;
    double[] x = affine(first, new double[channels], Oracle.gaussian(1, MODEL, 13)[0]);
    double[] dealt = new double[channels];
    for (int c = 0; c < channels; c++) {
      int group = c / (channels / groups);
      int within = c % (channels / groups);
      dealt[within * groups + group] = Math.max(x[c], 0);
    }
    return affine(rows(theta, "second", channels), new double[2], dealt);
  }

  /** A model of fewer heads takes the places of a reference of more, in either layout. */
  @ParameterizedTest
  @MethodSource("layouts")
  void headsOfAnotherNumber(Fused fused, DType dtype) throws IOException {
    int fewer = 2;
    Architecture reference =
        Architecture.builder()
            .space(new FeatureSpace("heads", HEADS, MapFamily.PERMUTATION, headBindings(fused)))
            .build();
    List<Binding> bindings = new ArrayList<>();
    for (int which = 0; which < 3; which++) {
      Block block =
          fused == Fused.STACKED
              ? new Block((long) which * fewer * DH, DH)
              : new Block((long) which * DH, DH, 3L * DH);
      bindings.add(new Binding("qkv.weight", 0, Role.WEIGHT_OUT, block));
      bindings.add(new Binding("qkv.bias", 0, Role.BIAS, block));
    }
    bindings.add(new Binding("o.weight", 1, Role.WEIGHT_IN, new Block(0, DH)));
    Architecture small =
        Architecture.builder()
            .space(new FeatureSpace("heads", fewer, MapFamily.PERMUTATION, bindings))
            .build();
    // Head 1 of the model twice, each copy read by half: the sum over heads stays what it was.
    double[][] out = {{0, 1}, {1, 0}, {0, 1}};
    double[][] in = {{0, 1, 0}, {0.5, 0, 0.5}};
    MapPair copies = MapPair.of(Matrix.of(out), Matrix.of(in));
    MemoryCheckpoint full = attention(dtype);
    // The model is the reference without its last head.
    Alignment drop =
        Alignment.of(
            "drop",
            reference,
            small,
            Map.of(
                "heads",
                MapPair.of(
                    Matrix.of(new double[][] {{1, 0, 0}, {0, 1, 0}}),
                    Matrix.of(new double[][] {{1, 0}, {0, 1}, {0, 0}}))));
    MemoryCheckpoint model = MemoryCheckpoint.copyOf(drop.apply(full), WS);
    small.require("the model", model);
    Alignment again = Alignment.of("copy", small, reference, Map.of("heads", copies));
    assertThat(again.isExact()).isFalse();
    Checkpoint mapped = again.apply(model);
    assertThat(mapped.tensors()).isEqualTo(full.tensors());
    // Dropping the third of these heads and what reads it gives half of what head 1 says back.
    Alignment merge =
        Alignment.of(
            "merge",
            reference,
            small,
            Map.of(
                "heads",
                MapPair.of(
                    Matrix.of(new double[][] {{0, 1, 0}, {0.5, 0, 0.5}}),
                    Matrix.of(new double[][] {{0, 1}, {1, 0}, {0, 1}}))));
    Models.assertSameBits("there and back", merge.apply(mapped), model, WS);
  }

  private static Tensor random(DType dtype, long seed, long... shape) {
    double[] values = Oracle.gaussian(1, (int) Tensor.size(shape), seed)[0];
    return Tensor.of(values, shape).to(dtype, WS).toHost(WS);
  }

  private static double[] values(Checkpoint theta, String name) throws IOException {
    try (Tensor tensor = theta.read(name, WS)) {
      return tensor.toDoubleArray();
    }
  }

  private static double[][] rows(Checkpoint theta, String name, int columns) throws IOException {
    double[] flat = values(theta, name);
    double[][] rows = new double[flat.length / columns][columns];
    for (int r = 0; r < rows.length; r++) {
      System.arraycopy(flat, r * columns, rows[r], 0, columns);
    }
    return rows;
  }

  private static double[] affine(double[][] w, double[] b, double[] x) {
    double[] y = b.clone();
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < x.length; j++) {
        y[i] += w[i][j] * x[j];
      }
    }
    return y;
  }
}
