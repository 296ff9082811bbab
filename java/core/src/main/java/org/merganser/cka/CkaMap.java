// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * CKA of all pairs of layers of one network on one batch, {@code M_ij = <A_i, A_j> / (|A_i| |A_j|)}
 * with centred Grams A, and what its gradient takes. One Gram a layer; all inner products are one
 * product of matrices.
 *
 * <p>A layer whose activations say nothing (all samples the same) is dead: its row and column are
 * NaN, and {@link #dead} counts it. It owns Grams and activations, which {@link #close} frees.
 */
public final class CkaMap implements AutoCloseable {
  private final List<LayerGram> layers;
  private final Matrix grams;
  private final double[] norms;
  private final double[][] values;

  private CkaMap(List<LayerGram> layers, Matrix grams, double[] norms, Workspace ws) {
    this.layers = layers;
    this.grams = grams;
    this.norms = norms;
    this.values = values(grams, norms, ws);
  }

  /**
   * With linear kernels and the unbiased estimator: A is the U-centred Gram.
   *
   * @param activations of each layer, [b x p], F64 or F32, of the same at least 4 samples
   * @throws org.merganser.error.NumericalException where activations are not finite, naming layer,
   *     sample and feature
   */
  public static CkaMap debiased(List<Matrix> activations, Workspace ws) {
    Samples.requireDebiased(batch(activations));
    return of(activations, Double.NaN, ws);
  }

  /**
   * With kernels {@code exp(-|x - y|^2 / (2 t^2 m^2))}, m^2 the median squared distance of
   * different samples of a layer in this batch, and the biased estimator: A is the centred Gram. No
   * gradient goes through m.
   *
   * @throws org.merganser.error.NumericalException also where m is 0: half of the pairs or more are
   *     the same
   */
  public static CkaMap rbf(List<Matrix> activations, double t, Workspace ws) {
    CkaKernel.requireBandwidth(t);
    return of(activations, t, ws);
  }

  private static CkaMap of(List<Matrix> activations, double t, Workspace ws) {
    long b = batch(activations);
    try (Opened opened = new Opened()) {
      Matrix grams = opened.add(Matrix.allocate(activations.size(), b * b, ws));
      List<LayerGram> layers = new ArrayList<>();
      double[] norms = new double[activations.size()];
      for (int l = 0; l < norms.length; l++) {
        LayerGram layer = opened.add(LayerGram.of("layer " + l, activations.get(l), t, ws));
        norms[l] = layer.into(square(grams, l, b), ws);
        layers.add(layer);
      }
      CkaMap map = new CkaMap(layers, grams, norms, ws);
      opened.release();
      return map;
    }
  }

  private static long batch(List<Matrix> activations) {
    if (activations.isEmpty()) {
      throw new IllegalArgumentException("a map of no layers; give the activations of one or more");
    }
    long b = activations.get(0).rows();
    for (int l = 1; l < activations.size(); l++) {
      if (activations.get(l).rows() != b) {
        throw new ShapeException(
            "layer 0 has %d samples and layer %d has %d: all need the same batch"
                .formatted(b, l, activations.get(l).rows()));
      }
    }
    return b;
  }

  /** Row l as the b x b matrix it is. */
  private static Matrix square(Matrix rows, int l, long b) {
    return Matrix.of(rows.asTensor().rows(l, l + 1).reshape(b, b));
  }

  private static double[][] values(Matrix grams, double[] norms, Workspace ws) {
    try (Matrix products = LinAlg.multiplyTransposed(grams, grams, ws);
        Matrix here = products.toHost(ws)) {
      double[][] values = here.toArray();
      for (int i = 0; i < values.length; i++) {
        for (int j = 0; j < values.length; j++) {
          values[i][j] =
              norms[i] == 0 || norms[j] == 0 ? Double.NaN : values[i][j] / (norms[i] * norms[j]);
        }
        values[i][i] = norms[i] == 0 ? Double.NaN : 1;
      }
      return values;
    }
  }

  public int layers() {
    return norms.length;
  }

  /** How many layers say nothing. */
  public int dead() {
    return (int) Arrays.stream(norms).filter(norm -> norm == 0).count();
  }

  /**
   * {@code |A|} of a layer, 0 where it is dead: with it CKA of several batches is that of their
   * sums.
   */
  public double norm(int layer) {
    return norms[layer];
  }

  /** CKA of two layers; NaN where one is dead. */
  public double get(int i, int j) {
    return values[i][j];
  }

  /** A copy of all values. */
  public double[][] values() {
    return Arrays.stream(values).map(double[]::clone).toArray(double[][]::new);
  }

  /**
   * The gradients of a function of the map in the activations of each layer, {@code 2 B_l X_l} for
   * linear kernels, with {@code B_l = sum_j (R_lj + R_jl) (A_j / (N_l N_j) - M_lj A_l / N_l^2)}
   * over {@code j != l}.
   *
   * @param slopes R, the derivatives by the entries of the map; those of dead layers are not looked
   *     at
   * @return [b x p] for each layer, F64, new, on the Workspace; 0 for dead layers
   */
  List<Matrix> gradients(double[][] slopes, Workspace ws) {
    int count = norms.length;
    double[][] factors = new double[count][count];
    for (int l = 0; l < count; l++) {
      for (int j = 0; j < count; j++) {
        if (j != l && norms[l] > 0 && norms[j] > 0) {
          double slope = slopes[l][j] + slopes[j][l];
          factors[l][j] = slope / (norms[l] * norms[j]);
          factors[l][l] -= slope * values[l][j] / (norms[l] * norms[l]);
        }
      }
    }
    try (Matrix weights = Matrix.of(factors);
        Matrix slopesOfGrams = LinAlg.multiply(weights, grams, ws);
        Opened opened = new Opened()) {
      List<Matrix> gradients = new ArrayList<>();
      for (int l = 0; l < count; l++) {
        LayerGram layer = layers.get(l);
        gradients.add(opened.add(layer.gradient(square(slopesOfGrams, l, layer.samples()), ws)));
      }
      opened.release();
      return gradients;
    }
  }

  @Override
  public void close() {
    layers.forEach(LayerGram::close);
    grams.close();
  }

  @Override
  public String toString() {
    return "CkaMap of " + norms.length + " layers, " + dead() + " dead";
  }
}
