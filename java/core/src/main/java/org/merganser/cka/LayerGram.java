// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** One layer of a {@link CkaMap}: its activations, its kernel, and the way back from the Gram. */
final class LayerGram implements AutoCloseable {
  private final Matrix centred;
  private final boolean constant;

  /** Null for the linear one. */
  private final Matrix kernel;

  private final double gamma;

  private LayerGram(Matrix centred, boolean constant, Matrix kernel, double gamma) {
    this.centred = centred;
    this.constant = constant;
    this.kernel = kernel;
    this.gamma = gamma;
  }

  /**
   * @param t of the RBF kernel; NaN for the linear one
   */
  static LayerGram of(String name, Matrix activations, double t, Workspace ws) {
    Samples.Centred samples = Samples.centre(name, activations, ws);
    try (Opened opened = new Opened()) {
      Matrix centred = opened.add(samples.matrix());
      if (Double.isNaN(t) || samples.constant()) {
        opened.release();
        return new LayerGram(centred, samples.constant(), null, 0);
      }
      Matrix kernel = opened.add(Gram.squaredDistances(centred, ws));
      double gamma = new CkaKernel(t).apply(name, kernel, ws);
      opened.release();
      return new LayerGram(centred, false, kernel, gamma);
    }
  }

  long samples() {
    return centred.rows();
  }

  /** Sets the Gram, centred as the estimator has it, and returns its norm; 0 for a dead layer. */
  double into(Matrix gram, Workspace ws) {
    try (Matrix own = kernel == null ? Gram.linear(centred, ws) : null) {
      gram.asTensor().copyFrom((kernel == null ? own : kernel).asTensor(), ws);
    }
    if (kernel == null) {
      Gram.uCentre(gram, ws);
    } else {
      Gram.centre(gram, ws);
    }
    double square = Translation.sum(LinAlg.rowProducts(gram, gram, ws));
    boolean dead = constant || kernel == null && !Samples.isSeen(square, centred, ws);
    return dead ? 0 : Math.sqrt(square);
  }

  /**
   * {@code 2 B X}; of the RBF kernel, with {@code G = -gamma B∘K}, {@code 4 (diag(G 1) - G) X}.
   *
   * @param slopes B, the derivatives by the Gram, symmetric
   */
  Matrix gradient(Matrix slopes, Workspace ws) {
    try (Matrix coupling = kernel == null ? slopes.on(ws) : laplacian(slopes, ws);
        Matrix product = LinAlg.multiply(coupling, centred, ws)) {
      double[] two = new double[Math.toIntExact(centred.rows())];
      Arrays.fill(two, 2);
      return Matrix.of(product.asTensor().scaledRows(two, ws));
    }
  }

  /** Twice {@code diag(G 1) - G}, on the host: batches are small. */
  private Matrix laplacian(Matrix slopes, Workspace ws) {
    try (Matrix b = slopes.toHost(ws);
        Matrix k = kernel.toHost(ws)) {
      int n = Math.toIntExact(b.rows());
      double[] g = b.asTensor().toDoubleArray();
      double[] values = k.asTensor().toDoubleArray();
      for (int i = 0; i < n; i++) {
        double row = 0;
        for (int j = 0; j < n; j++) {
          g[i * n + j] *= 2 * gamma * values[i * n + j];
          row += g[i * n + j];
        }
        g[i * n + i] -= row;
      }
      return Matrix.of(Tensor.of(g, n, n));
    }
  }

  @Override
  public void close() {
    centred.close();
    if (kernel != null) {
      kernel.close();
    }
  }
}
