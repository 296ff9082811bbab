// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * One step of a recurrent layer with a constant input, {@code F(h) = f(V h + c)}, V [H x H], c [H],
 * and its Jacobian {@code J = diag(f'(V h + c)) V}: rows scaled. Immutable.
 */
public final class RecurrentMap implements SmoothMap {
  private final int size;
  private final double[] recurrent;
  private final double[] bias;
  private final double[] input;
  private final Nonlinearity activation;

  private RecurrentMap(double[] recurrent, double[] bias, double[] input, Nonlinearity activation) {
    activation.check(bias.length);
    this.size = bias.length;
    this.recurrent = recurrent;
    this.bias = bias;
    this.input = input;
    this.activation = activation;
  }

  /**
   * @param recurrent V, [H x H] on the host
   * @param bias c, [H]
   * @throws NumericalException for a value that is not finite, naming the first
   */
  public static RecurrentMap of(Matrix recurrent, double[] bias, Nonlinearity activation) {
    if (recurrent.rows() != recurrent.columns() || recurrent.rows() != bias.length) {
      throw new ShapeException(
          "a step of a recurrent layer takes V [H x H] and c [H], not a "
              + recurrent
              + " and "
              + bias.length
              + " values");
    }
    double[] weights = recurrent.asTensor().toDoubleArray();
    requireFinite("V", weights, bias.length);
    requireFinite("the bias", bias, 1);
    return new RecurrentMap(weights, bias.clone(), new double[0], activation);
  }

  /** Without a bias. */
  public static RecurrentMap of(Matrix recurrent, Nonlinearity activation) {
    return of(recurrent, new double[Math.toIntExact(recurrent.rows())], activation);
  }

  /**
   * The first layer of a network with the names of {@code torch.nn.RNN}: {@code PREFIXweight_hh_l0}
   * and, where there are, {@code weight_ih_l0}, {@code bias_ih_l0}, {@code bias_hh_l0}. Without
   * input: see {@link #with}.
   *
   * @param prefix of the names, such as {@code "rnn."}
   * @throws NumericalException for a value that is not finite, naming tensor, row and column
   */
  public static RecurrentMap of(
      Checkpoint network, String prefix, Nonlinearity activation, Workspace ws) throws IOException {
    double[] recurrent = read(network, prefix + "weight_hh_l0", 2, ws);
    long[] dims = network.info(prefix + "weight_hh_l0").dims();
    int size = (int) dims[0];
    if (dims[1] != size) {
      throw new ShapeException(
          prefix + "weight_hh_l0 is " + network.info(prefix + "weight_hh_l0") + ", not square");
    }
    double[] bias = new double[size];
    for (String name : new String[] {"bias_ih_l0", "bias_hh_l0"}) {
      if (network.tensors().containsKey(prefix + name)) {
        double[] more = read(network, prefix + name, 1, ws);
        require(prefix + name, more.length, size);
        for (int i = 0; i < size; i++) {
          bias[i] += more[i];
        }
      }
    }
    double[] input = new double[0];
    if (network.tensors().containsKey(prefix + "weight_ih_l0")) {
      input = read(network, prefix + "weight_ih_l0", 2, ws);
      require(prefix + "weight_ih_l0", (int) network.info(prefix + "weight_ih_l0").dim(0), size);
    }
    return new RecurrentMap(recurrent, bias, input, activation);
  }

  private static double[] read(Checkpoint network, String name, int rank, Workspace ws)
      throws IOException {
    if (network.info(name).dims().length != rank) {
      throw new ShapeException(name + " is " + network.info(name) + ", not of " + rank + " axes");
    }
    try (Tensor stored = network.read(name, ws);
        Tensor wide = Tensor.allocate(DType.F64, stored.shape())) {
      wide.convertFrom(stored, ws);
      double[] values = wide.toDoubleArray();
      requireFinite(name, values, rank == 1 ? 1 : (int) wide.shape()[1]);
      return values;
    }
  }

  /** No search or orbit of such a map would end anywhere. */
  private static void requireFinite(String name, double[] values, int columns) {
    for (int at = 0; at < values.length; at++) {
      if (!Double.isFinite(values[at])) {
        String column = columns == 1 ? "" : ", column " + at % columns;
        throw new NumericalException(
            "%s is %s in row %d%s; a map needs finite weights, of a network that did not diverge"
                .formatted(name, values[at], at / columns, column));
      }
    }
  }

  private static void require(String name, int units, int size) {
    if (units != size) {
      throw new ShapeException(name + " has " + units + " units, weight_hh_l0 has " + size);
    }
  }

  /** The map under a constant input: {@code c + U x} in place of c, U [H x I]. */
  public RecurrentMap with(double[] x) {
    if (x.length * size != input.length) {
      throw new ShapeException(
          x.length + " inputs for a layer of " + size + " units that takes " + input.length / size);
    }
    double[] shifted = bias.clone();
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < x.length; j++) {
        shifted[i] += input[i * x.length + j] * x[j];
      }
    }
    return new RecurrentMap(recurrent, shifted, input, activation);
  }

  /** The same map with input weights U, [H x I] on the host. */
  public RecurrentMap withInputWeights(Matrix weights) {
    if (weights.rows() != size) {
      throw new ShapeException("input weights of " + size + " units are [H x I], not " + weights);
    }
    double[] values = weights.asTensor().toDoubleArray();
    requireFinite("U", values, Math.toIntExact(weights.columns()));
    return new RecurrentMap(recurrent, bias, values, activation);
  }

  @Override
  public int dimension() {
    return size;
  }

  /** I, the width of what {@link #with} takes; 0 without input weights. */
  public int inputs() {
    return input.length / size;
  }

  /** U, [H x I], new. */
  Matrix inputWeights() {
    return Matrix.of(Tensor.of(input, size, inputs()));
  }

  /** V, [H x H], new. */
  Matrix weights() {
    return Matrix.of(Tensor.of(recurrent, size, size));
  }

  /** c, a copy. */
  double[] bias() {
    return bias.clone();
  }

  /** V, [H x H] row-major, a copy. */
  public double[] recurrent() {
    return recurrent.clone();
  }

  public Nonlinearity activation() {
    return activation;
  }

  @Override
  public double[] apply(double[] state) {
    double[] a = preactivation(state);
    for (int i = 0; i < size; i++) {
      a[i] = activation.value(a[i], i);
    }
    return a;
  }

  @Override
  public double[] jacobian(double[] state) {
    double[] jacobian = new double[size * size];
    jacobian(state, jacobian);
    return jacobian;
  }

  @Override
  public void jacobian(double[] state, double[] into) {
    if (into.length != size * size) {
      throw new ShapeException(into.length + " elements for a Jacobian of " + size + " units");
    }
    double[] a = preactivation(state);
    for (int i = 0; i < size; i++) {
      double slope = activation.slope(a[i], i);
      for (int at = i * size; at < (i + 1) * size; at++) {
        into[at] = slope * recurrent[at];
      }
    }
  }

  /** {@code f'(V h + c)}. */
  public double[] slopes(double[] state) {
    double[] a = preactivation(state);
    for (int i = 0; i < size; i++) {
      a[i] = activation.slope(a[i], i);
    }
    return a;
  }

  /** V h + c, in four sums a row, so that they are added at the same time. */
  private double[] preactivation(double[] h) {
    if (h.length != size) {
      throw new ShapeException("a state of " + h.length + " for a map of " + size + " units");
    }
    double[] a = bias.clone();
    for (int i = 0; i < size; i++) {
      int row = i * size;
      double s0 = 0;
      double s1 = 0;
      double s2 = 0;
      double s3 = 0;
      int j = 0;
      for (; j + 3 < size; j += 4) {
        s0 += recurrent[row + j] * h[j];
        s1 += recurrent[row + j + 1] * h[j + 1];
        s2 += recurrent[row + j + 2] * h[j + 2];
        s3 += recurrent[row + j + 3] * h[j + 3];
      }
      for (; j < size; j++) {
        s0 += recurrent[row + j] * h[j];
      }
      a[i] += (s0 + s1) + (s2 + s3);
    }
    return a;
  }

  @Override
  public String toString() {
    return "h <- " + activation + "(V h + c) of " + size + " units";
  }
}
