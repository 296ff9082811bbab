// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * The Jacobian of one step, {@code J = diag(f'(a)) V}, in numbers.
 *
 * @param spectrum its eigenvalues
 * @param singularValues decreasing
 * @param frobenius {@code |J|_F}
 * @param summed {@code |f'(a)^T V|_inf}, the largest magnitude of a column's sum, as in the code of
 *     Geadah et al.
 */
public record StepJacobian(
    Spectrum spectrum, List<Double> singularValues, double frobenius, double summed) {

  /** At states of an orbit, [T x H]. */
  public static List<StepJacobian> along(RecurrentMap map, double[][] states, Workspace ws) {
    int size = map.dimension();
    List<double[]> jacobians = new ArrayList<>();
    for (double[] state : states) {
      jacobians.add(map.jacobian(state));
    }
    List<Spectrum> spectra = Spectrum.of(jacobians, size, ws);
    List<StepJacobian> all = new ArrayList<>();
    for (int t = 0; t < states.length; t++) {
      double[] jacobian = jacobians.get(t);
      double[] singular = singularValues(jacobian, size, ws);
      double squares = 0;
      for (double each : singular) {
        squares += each * each;
      }
      all.add(
          new StepJacobian(
              spectra.get(t),
              DoubleStream.of(singular).boxed().toList(),
              Math.sqrt(squares),
              largestSum(jacobian, size)));
    }
    return all;
  }

  /** Singular values of a square matrix, row-major, decreasing. */
  public static double[] singularValues(double[] matrix, int size, Workspace ws) {
    if (matrix.length != size * size) {
      throw new ShapeException(matrix.length + " elements are no " + size + " x " + size);
    }
    try (Matrix a = Matrix.of(Tensor.of(matrix, size, size));
        Svd svd = Svd.of(a, ws)) {
      return svd.singularValues();
    }
  }

  private static double largestSum(double[] jacobian, int size) {
    double largest = 0;
    for (int j = 0; j < size; j++) {
      double sum = 0;
      for (int i = 0; i < size; i++) {
        sum += jacobian[i * size + j];
      }
      largest = Math.max(largest, Math.abs(sum));
    }
    return largest;
  }
}
