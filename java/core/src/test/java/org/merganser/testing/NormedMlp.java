// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.Role;

/**
 * A perceptron in plain Java that names its layers, with batch normalisation or without: {@code
 * fcI}, then {@code bnI}, then ReLU, and {@code head}.
 */
public final class NormedMlp implements Network {
  private static final double EPSILON = 1e-5;

  private final int[] sizes;
  private final boolean normed;

  /**
   * @param sizes of inputs, hidden layers and outputs
   */
  public NormedMlp(boolean normed, int... sizes) {
    this.normed = normed;
    this.sizes = sizes.clone();
  }

  /** The same without normalisation. */
  public NormedMlp folded() {
    return new NormedMlp(false, sizes);
  }

  private int hidden() {
    return sizes.length - 2;
  }

  private String layer(int l) {
    return l == hidden() ? "head" : "fc" + l;
  }

  @Override
  public Architecture architecture() {
    Architecture.Builder builder = Architecture.builder();
    for (int l = 0; l < hidden(); l++) {
      List<Binding> bindings = new ArrayList<>();
      bindings.add(Binding.of(layer(l) + ".weight", 0, Role.WEIGHT_OUT));
      bindings.add(Binding.of(layer(l) + ".bias", 0, Role.BIAS));
      if (normed) {
        bindings.add(Binding.of("bn" + l + ".weight", 0, Role.NORM_SCALE));
        bindings.add(Binding.of("bn" + l + ".bias", 0, Role.NORM_SHIFT));
        bindings.add(Binding.of("bn" + l + ".running_mean", 0, Role.RUNNING_MEAN));
        bindings.add(Binding.of("bn" + l + ".running_var", 0, Role.RUNNING_VAR));
      }
      bindings.add(Binding.of(layer(l + 1) + ".weight", 1, Role.WEIGHT_IN));
      builder.space(
          layer(l), sizes[l + 1], MapFamily.PERMUTATION, bindings.toArray(new Binding[0]));
    }
    return builder.build();
  }

  @Override
  public List<AffineLayer> affineLayers() {
    List<AffineLayer> layers = new ArrayList<>();
    for (int l = 0; l <= hidden(); l++) {
      String id = layer(l);
      layers.add(new AffineLayer(id, id + ".weight", Optional.of(id + ".bias"), sizes[l + 1]));
    }
    return layers;
  }

  @Override
  public List<BatchNormLayer> batchNorms() {
    List<BatchNormLayer> layers = new ArrayList<>();
    for (int l = 0; normed && l < hidden(); l++) {
      String id = "bn" + l;
      layers.add(
          new BatchNormLayer(
              id,
              id + ".weight",
              id + ".bias",
              id + ".running_mean",
              id + ".running_var",
              Optional.of(id + ".num_batches_tracked"),
              EPSILON,
              sizes[l + 1],
              Optional.of(layer(l))));
    }
    return layers;
  }

  /** Parameters that leave no feature dead, running statistics that are those of no data. */
  public MemoryCheckpoint random(DType dtype, long seed, Workspace ws) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int l = 0; l <= hidden(); l++) {
      int out = sizes[l + 1];
      double scale = Math.sqrt(2.0 / sizes[l]);
      double[] weight = random.doubles((long) out * sizes[l], -scale, scale).toArray();
      try (Tensor wide = Tensor.of(weight, out, sizes[l])) {
        tensors.put(layer(l) + ".weight", host(wide.to(dtype, ws), ws));
      }
      put(tensors, layer(l) + ".bias", random.doubles(out, -0.3, 0.3).toArray(), dtype, ws);
      if (normed && l < hidden()) {
        String id = "bn" + l;
        put(tensors, id + ".weight", random.doubles(out, 0.5, 1.5).toArray(), dtype, ws);
        put(tensors, id + ".bias", random.doubles(out, -0.3, 0.5).toArray(), dtype, ws);
        put(tensors, id + ".running_mean", random.doubles(out, -0.5, 0.5).toArray(), dtype, ws);
        put(tensors, id + ".running_var", random.doubles(out, 0.5, 2).toArray(), dtype, ws);
        tensors.put(id + ".num_batches_tracked", Tensor.zeros(DType.I64));
      }
    }
    return MemoryCheckpoint.of(tensors);
  }

  private static void put(
      Map<String, Tensor> tensors, String name, double[] values, DType dtype, Workspace ws) {
    tensors.put(name, host(Tensor.of(dtype, values, ws), ws));
  }

  private static Tensor host(Tensor tensor, Workspace ws) {
    try (tensor) {
      return tensor.toHost(ws);
    }
  }

  @Override
  public Session open(Checkpoint theta, Workspace ws) throws IOException {
    Map<String, double[]> values = new LinkedHashMap<>();
    for (String name : theta.tensors().keySet()) {
      if (theta.info(name).dtype().isArithmetic()) {
        try (Tensor tensor = theta.read(name, ws)) {
          values.put(name, tensor.toDoubleArray());
        }
      }
    }
    return new Session() {
      private final List<Tensor> ofLastRun = new ArrayList<>();

      @Override
      public void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out) throws IOException {
        close();
        Map<String, double[][]> found = forward(values, rows(inputs), mode);
        for (String tap : found.keySet()) {
          if (taps.contains(tap)) {
            double[][] rows = found.get(tap);
            Tensor tensor = Tensor.of(Oracle.flat(rows), rows.length, rows[0].length);
            ofLastRun.add(tensor);
            out.accept(tap, tensor);
          }
        }
      }

      @Override
      public void close() {
        ofLastRun.forEach(Tensor::close);
        ofLastRun.clear();
      }
    };
  }

  private static double[][] rows(Tensor inputs) {
    double[] flat = inputs.toDoubleArray();
    double[][] rows = new double[(int) inputs.dim(0)][(int) inputs.dim(1)];
    for (int i = 0; i < flat.length; i++) {
      rows[i / rows[0].length][i % rows[0].length] = flat[i];
    }
    return rows;
  }

  private Map<String, double[][]> forward(Map<String, double[]> theta, double[][] x, Mode mode) {
    Map<String, double[][]> taps = new LinkedHashMap<>();
    double[][] h = x;
    for (int l = 0; l <= hidden(); l++) {
      String id = layer(l);
      double[][] z = new double[x.length][];
      for (int i = 0; i < x.length; i++) {
        z[i] = JavaNetwork.linear(theta.get(id + ".weight"), theta.get(id + ".bias"), h[i]);
      }
      taps.put(id + "/out", z);
      if (l == hidden()) {
        taps.put(OUTPUT, z);
      } else {
        if (normed) {
          taps.put("bn" + l + "/in", z);
          z = normalised(theta, "bn" + l, z, mode);
        }
        h = Oracle.relu(z);
        taps.put(id, h);
      }
    }
    return taps;
  }

  private static double[][] normalised(
      Map<String, double[]> theta, String id, double[][] z, Mode mode) {
    double[][] y = new double[z.length][z[0].length];
    for (int c = 0; c < z[0].length; c++) {
      double mean = theta.get(id + ".running_mean")[c];
      double variance = theta.get(id + ".running_var")[c];
      if (mode == Mode.TRAIN) {
        mean = 0;
        variance = 0;
        for (double[] row : z) {
          mean += row[c] / z.length;
        }
        for (double[] row : z) {
          variance += (row[c] - mean) * (row[c] - mean) / z.length;
        }
      }
      double scale = theta.get(id + ".weight")[c] / Math.sqrt(variance + EPSILON);
      for (int i = 0; i < z.length; i++) {
        y[i][c] = scale * (z[i][c] - mean) + theta.get(id + ".bias")[c];
      }
    }
    return y;
  }

  /** Outputs of all samples as one batch. */
  public double[] outputs(Checkpoint theta, double[][] x, Mode mode, Workspace ws)
      throws IOException {
    double[][] found = new double[1][];
    try (Session session = open(theta, ws);
        Tensor inputs = Tensor.of(Oracle.flat(x), x.length, x[0].length)) {
      session.run(inputs, mode, Set.of(OUTPUT), (tap, out) -> found[0] = out.toDoubleArray());
    }
    return found[0];
  }
}
