// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * States of many sequences, all at one step after the other, from 0: {@code H <- f(H V^T + X U^T +
 * c)}, H [N x H], X [N x I]. However many steps there are, one is held.
 */
public final class Orbits implements AutoCloseable {
  private final RecurrentMap map;
  private final Workspace ws;
  private final Matrix recurrent;
  private final Matrix input;
  private final double[] bias;
  private Matrix states;
  private int steps;

  /**
   * @param samples N
   * @throws IllegalArgumentException for none
   */
  public Orbits(RecurrentMap map, int samples, Workspace ws) {
    if (samples < 1) {
      throw new IllegalArgumentException("no sequences: the number of samples is " + samples);
    }
    this.map = map;
    this.ws = host(ws);
    this.recurrent = map.weights();
    this.input = map.inputWeights();
    this.bias = map.bias();
    this.states = Matrix.zeros(samples, map.dimension());
  }

  /** On the CPU, where states are looked at. */
  static Workspace host(Workspace ws) {
    return Workspace.builder()
        .backend(Backend.CPU)
        .threads(ws.threads())
        .seed(ws.seed())
        .cancellation(ws.cancellation())
        .open();
  }

  /**
   * A step with inputs, [N x I] in F64 on the host.
   *
   * @return the states [N x H], valid until the next step
   * @throws NumericalException naming the first step, sample and unit that is not finite
   */
  public Matrix advance(Matrix inputs) {
    if (inputs.rows() != states.rows() || inputs.columns() != input.columns()) {
      throw new ShapeException(
          "step %d takes inputs of %d x %d, not %s"
              .formatted(steps + 1, states.rows(), input.columns(), inputs));
    }
    if (inputs.dtype() != DType.F64) {
      throw new ShapeException(
          "step %d takes inputs of F64, not %s; convert them".formatted(steps + 1, inputs));
    }
    try (Matrix a = LinAlg.multiplyTransposed(states, recurrent, ws)) {
      LinAlg.addProduct(1, inputs, input, a, ws);
      return took(a);
    }
  }

  /** A step with inputs of 0. */
  public Matrix drift() {
    try (Matrix a = LinAlg.multiplyTransposed(states, recurrent, ws)) {
      return took(a);
    }
  }

  private Matrix took(Matrix preactivations) {
    steps++;
    double[] values = preactivations.asTensor().toDoubleArray();
    int size = map.dimension();
    for (int at = 0; at < values.length; at++) {
      int unit = at % size;
      values[at] = map.activation().value(values[at] + bias[unit], unit);
      if (!Double.isFinite(values[at])) {
        throw new NumericalException(
            "the state after step %d of sample %d is %s in unit %d; check weights and inputs"
                .formatted(steps, at / size, values[at], unit));
      }
    }
    Matrix next = Matrix.of(Tensor.of(values, states.rows(), size));
    states.close();
    states = next;
    return states;
  }

  @Override
  public void close() {
    states.close();
    recurrent.close();
    input.close();
    ws.close();
  }
}
