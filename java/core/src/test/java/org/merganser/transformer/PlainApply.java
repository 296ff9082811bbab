// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/** A symmetry applied to F64 weights in plain loops. */
final class PlainApply {
  private final SymmetryElement element;
  private final TransformerConfig config;
  private final Map<String, double[][]> weights = new LinkedHashMap<>();
  private final Map<String, long[]> shapes = new LinkedHashMap<>();

  private PlainApply(SymmetryElement element, Checkpoint model, Workspace ws) throws IOException {
    this.element = element;
    this.config = element.config();
    for (String name : model.tensors().keySet()) {
      try (Tensor tensor = model.read(name, ws)) {
        double[] all = tensor.toDoubleArray();
        int rows = tensor.rank() == 1 ? all.length : Math.toIntExact(tensor.dim(0));
        double[][] values = new double[rows][];
        for (int i = 0; i < rows; i++) {
          int width = all.length / rows;
          values[i] = Arrays.copyOfRange(all, i * width, (i + 1) * width);
        }
        weights.put(name, values);
        shapes.put(name, tensor.shape());
      }
    }
  }

  static MemoryCheckpoint apply(SymmetryElement element, Checkpoint model, Workspace ws)
      throws IOException {
    return new PlainApply(element, model, ws).run();
  }

  private MemoryCheckpoint run() {
    Stream stream = new Stream(config.hidden(), element.residual());
    for (int layer = 0; layer < config.layers(); layer++) {
      String at = "model.layers." + layer + ".";
      LayerSymmetry symmetry = element.layers().get(layer);
      units(at + "mlp.", symmetry);
      heads(at + "self_attn.", symmetry.heads());
    }
    weights.forEach(
        (name, values) -> {
          boolean writes = name.contains("o_proj.weight") || name.contains("down_proj.weight");
          boolean norm = name.contains("norm.weight") && values.length == config.hidden();
          boolean bias =
              (name.contains("o_proj.bias")
                  || name.contains("down_proj.bias")
                  || name.contains("norm.bias"));
          if (writes || bias) {
            double[][] columns = transposed(values);
            for (int j = 0; j < columns.length; j++) {
              columns[j] = stream.vector(columns[j]);
            }
            weights.put(name, transposed(columns));
          } else if (norm) {
            double[] moved = stream.gain(transposed(values)[0]);
            weights.put(name, transposed(new double[][] {moved}));
          } else if (values[0].length == config.hidden()) {
            for (int i = 0; i < values.length; i++) {
              values[i] = stream.vector(values[i]);
            }
          }
        });
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    weights.forEach(
        (name, values) ->
            tensors.put(
                name,
                Tensor.of(
                    Arrays.stream(values).flatMapToDouble(Arrays::stream).toArray(),
                    shapes.get(name))));
    return MemoryCheckpoint.of(tensors);
  }

  private static double[][] transposed(double[][] a) {
    return org.merganser.testing.Oracle.transpose(a);
  }

  private void units(String at, LayerSymmetry symmetry) {
    int[] units = symmetry.units();
    double[] scales = symmetry.unitScales();
    for (String name : List.of("gate_proj.weight", "gate_proj.bias")) {
      rows(at + name, i -> weights.get(at + name)[units[i]].clone());
    }
    for (String name : List.of("up_proj.weight", "up_proj.bias")) {
      rows(at + name, i -> times(weights.get(at + name)[units[i]], scales[i]));
    }
    double[][] down = transposed(weights.get(at + "down_proj.weight"));
    double[][] moved = new double[down.length][];
    for (int i = 0; i < down.length; i++) {
      moved[i] = times(down[units[i]], 1 / scales[i]);
    }
    weights.put(at + "down_proj.weight", transposed(moved));
  }

  private static double[] times(double[] row, double factor) {
    return Arrays.stream(row).map(v -> v * factor).toArray();
  }

  private interface Row {
    double[] of(int i);
  }

  private void rows(String name, Row row) {
    if (weights.containsKey(name)) {
      double[][] moved = new double[weights.get(name).length][];
      Arrays.setAll(moved, row::of);
      weights.put(name, moved);
    }
  }

  private void heads(String at, List<HeadSymmetry> heads) {
    int dh = config.headSize();
    int group = config.group();
    double[][] outputs = transposed(weights.get(at + "o_proj.weight"));
    double[][] movedOutputs = new double[outputs.length][];
    for (String part : List.of("weight", "bias")) {
      Map<String, double[][]> moved = new LinkedHashMap<>();
      for (String name : List.of("q_proj.", "k_proj.", "v_proj.")) {
        if (weights.containsKey(at + name + part)) {
          moved.put(name, new double[weights.get(at + name + part).length][]);
        }
      }
      for (int k = 0; k < heads.size() && !moved.isEmpty(); k++) {
        HeadSymmetry head = heads.get(k);
        for (int i = 0; i < dh; i++) {
          double[][] key = queryKey(head, false);
          double[][] query = queryKey(head, true);
          moved.get("k_proj.")[k * dh + i] =
              mixed(weights.get(at + "k_proj." + part), head.source() * dh, key[i]);
          moved.get("v_proj.")[k * dh + i] =
              mixed(
                  weights.get(at + "v_proj." + part),
                  head.source() * dh,
                  Arrays.copyOfRange(head.value(), i * dh, (i + 1) * dh));
          if (part.equals("bias") && head.shift().length > 0) {
            moved.get("v_proj.")[k * dh + i][0] += head.shift()[i];
          }
          for (int j = 0; j < group; j++) {
            int from = (head.source() * group + head.queries()[j]) * dh;
            moved.get("q_proj.")[(k * group + j) * dh + i] =
                mixed(weights.get(at + "q_proj." + part), from, query[i]);
            double[] column = new double[dh];
            for (int e = 0; e < dh; e++) {
              column[e] = head.valueInverse()[e * dh + i];
            }
            movedOutputs[(k * group + j) * dh + i] = mixed(outputs, from, column);
          }
        }
      }
      moved.forEach((name, values) -> weights.put(at + name + part, values));
    }
    double[][] bias = weights.get(at + "o_proj.bias");
    for (int k = 0; k < heads.size() && bias != null; k++) {
      double[] shift = heads.get(k).shift();
      for (int i = 0; i < shift.length; i++) {
        for (int j = 0; j < group; j++) {
          double[] row = movedOutputs[(k * group + j) * dh + i];
          for (int e = 0; e < bias.length; e++) {
            bias[e][0] -= shift[i] * row[e];
          }
        }
      }
    }
    weights.put(at + "o_proj.weight", transposed(movedOutputs));
  }

  private double[][] queryKey(HeadSymmetry head, boolean query) {
    int dh = config.headSize();
    double[][] map = new double[dh][dh];
    if (head.queryKey() instanceof HeadSymmetry.Rotary rotary) {
      for (int i = 0; i < dh / 2; i++) {
        double r = query ? 1 / rotary.ratio()[i] : rotary.ratio()[i];
        double cos = r * Math.cos(rotary.phase()[i]);
        double sin = r * Math.sin(rotary.phase()[i]);
        map[i][i] = cos;
        map[i][i + dh / 2] = -sin;
        map[i + dh / 2][i] = sin;
        map[i + dh / 2][i + dh / 2] = cos;
      }
      return map;
    }
    HeadSymmetry.Dense dense = (HeadSymmetry.Dense) head.queryKey();
    double[] square = query ? dense.query() : dense.key();
    for (int i = 0; i < dh; i++) {
      map[i] = Arrays.copyOfRange(square, i * dh, (i + 1) * dh);
    }
    return map;
  }

  private static double[] mixed(double[][] rows, int from, double[] factors) {
    double[] sum = new double[rows[0].length];
    for (int k = 0; k < factors.length; k++) {
      for (int j = 0; j < sum.length; j++) {
        sum[j] += factors[k] * rows[from + k][j];
      }
    }
    return sum;
  }

  /** Weights with noise of a share of the deviation of each tensor. */
  static MemoryCheckpoint noisy(Checkpoint model, double share, long seed, Workspace ws)
      throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : model.tensors().keySet()) {
      try (Tensor tensor = model.read(name, ws)) {
        double[] values = tensor.toDoubleArray();
        double mean = Arrays.stream(values).average().orElse(0);
        double deviation =
            Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean)).average().orElse(0));
        for (int i = 0; i < values.length; i++) {
          values[i] += share * deviation * random.nextGaussian();
        }
        tensors.put(name, Tensor.of(values, tensor.shape()));
      }
    }
    return MemoryCheckpoint.of(tensors);
  }
}
