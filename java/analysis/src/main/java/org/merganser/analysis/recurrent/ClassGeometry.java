// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * How classes lie: of samples h of N with means mu_c of their classes and mu of all,
 *
 * <pre>
 *   Sw = (1/N) sum |h - mu_c|^2         Sb = (1/N) sum_c n_c |mu_c - mu|^2
 *   Fisher ratio = tr((W + e I)^-1 B), W, B the matrices of which Sw, Sb are the traces,
 *                  e = 1e-6 Sw / H
 *   R_c = sqrt(tr C_c) / |mu_c - mu|    D_c = (tr C_c)^2 / |C_c|_F^2, C_c the covariance of class c
 * </pre>
 *
 * A class of one sample adds 0 to Sw and has D_c = 0. What would be 0/0 is 0, and what is something
 * over 0 is infinite: of classes that are points, or whose mean is that of all.
 *
 * @param within Sw
 * @param between Sb
 * @param radius mean of R_c over classes
 * @param dimension mean of D_c over classes
 * @param centreCorrelation mean of {@code |cos|} between mu_c - mu over pairs of classes
 */
record ClassGeometry(
    double within,
    double between,
    double fisher,
    double radius,
    double dimension,
    double centreCorrelation) {

  private static final double RIDGE = 1e-6;

  /**
   * @param states [N x H]
   * @param labels from 0
   */
  static ClassGeometry of(Matrix states, int[] labels, Workspace ws) {
    int size = Math.toIntExact(states.columns());
    double[] values = states.asTensor().toDoubleArray();
    double[] mean = mean(values, size, IntStream.range(0, labels.length).toArray());
    double radius = 0;
    double dimension = 0;
    double within = 0;
    double between = 0;
    List<double[]> centres = new ArrayList<>();
    double[] scatter = new double[size * size];
    double[] apart = new double[size * size];
    int classes = IntStream.of(labels).max().orElseThrow() + 1;
    for (int c = 0; c < classes; c++) {
      int label = c;
      int[] members = IntStream.range(0, labels.length).filter(i -> labels[i] == label).toArray();
      if (members.length == 0) {
        continue;
      }
      double[] own = mean(values, size, members);
      double[] covariance = covariance(values, size, members, own, ws);
      double trace = 0;
      double squares = 0;
      for (int at = 0; at < covariance.length; at++) {
        trace += at / size == at % size ? covariance[at] : 0;
        squares += covariance[at] * covariance[at];
        scatter[at] += covariance[at] * members.length / labels.length;
      }
      double length = 0;
      for (int j = 0; j < size; j++) {
        own[j] -= mean[j];
        length += own[j] * own[j];
      }
      for (int at = 0; at < apart.length; at++) {
        apart[at] += own[at / size] * own[at % size] * members.length / labels.length;
      }
      centres.add(own);
      within += trace * members.length / labels.length;
      between += length * members.length / labels.length;
      radius += ratio(Math.sqrt(trace), Math.sqrt(length));
      dimension += ratio(trace * trace, squares);
    }
    return new ClassGeometry(
        within,
        between,
        fisher(scatter, apart, within, between, ws),
        radius / centres.size(),
        dimension / centres.size(),
        correlation(centres));
  }

  /** Of numbers of at least 0. */
  static double ratio(double a, double b) {
    return a == 0 && b == 0 ? 0 : a / b;
  }

  /** Of rows, measured from the first: of equal ones it is exactly what they are. */
  static double[] mean(double[] values, int size, int... rows) {
    double[] mean = Arrays.copyOfRange(values, rows[0] * size, (rows[0] + 1) * size);
    double[] first = mean.clone();
    for (int i : rows) {
      for (int j = 0; j < size; j++) {
        mean[j] += (values[i * size + j] - first[j]) / rows.length;
      }
    }
    return mean;
  }

  /** About {@code mean}, [size x size]. */
  static double[] covariance(double[] values, int size, int[] rows, double[] mean, Workspace ws) {
    double[] centred = new double[rows.length * size];
    for (int at = 0; at < centred.length; at++) {
      centred[at] = values[rows[at / size] * size + at % size] - mean[at % size];
    }
    try (Matrix x = Matrix.of(Tensor.of(centred, rows.length, size));
        Matrix products = LinAlg.transposeMultiply(x, x, ws)) {
      double[] covariance = products.asTensor().toDoubleArray();
      for (int at = 0; at < covariance.length; at++) {
        covariance[at] /= rows.length;
      }
      return covariance;
    }
  }

  private static double fisher(
      double[] within, double[] between, double sw, double sb, Workspace ws) {
    if (sw == 0) {
      return ratio(sb, sw);
    }
    int size = (int) Math.round(Math.sqrt(within.length));
    for (int j = 0; j < size; j++) {
      within[j * size + j] += RIDGE * sw / size;
    }
    try (Matrix w = Matrix.of(Tensor.of(within, size, size));
        Matrix b = Matrix.of(Tensor.of(between, size, size));
        Matrix solved = LinAlg.solve(w, b, ws)) {
      return solved.trace();
    }
  }

  private static double correlation(List<double[]> centres) {
    double sum = 0;
    int pairs = 0;
    for (int c = 0; c < centres.size(); c++) {
      for (int d = 0; d < c; d++) {
        double product = 0;
        double first = 0;
        double second = 0;
        for (int j = 0; j < centres.get(c).length; j++) {
          product += centres.get(c)[j] * centres.get(d)[j];
          first += centres.get(c)[j] * centres.get(c)[j];
          second += centres.get(d)[j] * centres.get(d)[j];
        }
        sum += ratio(Math.abs(product), Math.sqrt(first) * Math.sqrt(second));
        pairs++;
      }
    }
    return pairs == 0 ? 0 : sum / pairs;
  }
}
