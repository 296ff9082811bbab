// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * A linear classifier by ridge regression to one-hot labels, with an intercept that is not
 * penalised: {@code B = (X^T X + lambda I)^-1 X^T Y} of centred X, the largest of {@code B^T h + b}
 * wins. Constant features get no weight.
 */
final class RidgeProbe {
  private RidgeProbe() {}

  /**
   * Share of the test samples that a probe fitted on training samples says the class of.
   *
   * @param train [N x H], labels from 0
   */
  static double accuracy(
      Matrix train, int[] trainLabels, Matrix test, int[] testLabels, double lambda, Workspace ws) {
    int size = Math.toIntExact(train.columns());
    int classes = 0;
    for (int label : trainLabels) {
      classes = Math.max(classes, label + 1);
    }
    double[] mean = new double[size];
    double[] intercept = new double[classes];
    try (Matrix weights = fit(train, trainLabels, classes, lambda, mean, intercept, ws)) {
      double[] w = weights.asTensor().toDoubleArray();
      for (int at = 0; at < w.length; at++) {
        intercept[at % classes] -= mean[at / classes] * w[at];
      }
      return accuracy(test, weights, intercept, testLabels, ws);
    }
  }

  private static Matrix fit(
      Matrix train,
      int[] labels,
      int classes,
      double lambda,
      double[] mean,
      double[] shares,
      Workspace ws) {
    int size = mean.length;
    double[] values = train.asTensor().toDoubleArray();
    for (int at = 0; at < values.length; at++) {
      mean[at % size] += values[at] / labels.length;
    }
    double[] moments = new double[size * classes];
    for (int at = 0; at < values.length; at++) {
      values[at] -= mean[at % size];
      moments[at % size * classes + labels[at / size]] += values[at];
    }
    for (int label : labels) {
      shares[label] += 1.0 / labels.length;
    }
    try (Matrix x = Matrix.of(Tensor.of(values, labels.length, size));
        Matrix gram = LinAlg.transposeMultiply(x, x, ws);
        Matrix right = Matrix.of(Tensor.of(moments, size, classes))) {
      for (int j = 0; j < size; j++) {
        gram.set(j, j, gram.get(j, j) + lambda);
      }
      return LinAlg.solve(gram, right, ws);
    }
  }

  /**
   * Share of the samples whose largest output is their class; of equal ones the first counts.
   *
   * @param weights [H x classes]
   */
  static double accuracy(
      Matrix states, Matrix weights, double[] intercept, int[] labels, Workspace ws) {
    int classes = intercept.length;
    double[] outputs;
    try (Matrix product = LinAlg.multiply(states, weights, ws)) {
      outputs = product.asTensor().toDoubleArray();
    }
    int right = 0;
    for (int i = 0; i < labels.length; i++) {
      int best = 0;
      for (int c = 1; c < classes; c++) {
        double more = outputs[i * classes + c] + intercept[c];
        best = more > outputs[i * classes + best] + intercept[best] ? c : best;
      }
      right += best == labels[i] ? 1 : 0;
    }
    return (double) right / labels.length;
  }
}
