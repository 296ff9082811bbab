// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

/** A change of the statistics of inputs, value by value. */
public sealed interface InputChange {
  /**
   * @param x a value of the input
   * @param step of the sequence, from 0
   * @param steps of the sequence
   */
  double apply(double x, int step, int steps);

  /** {@code scale x + shift}. */
  record Affine(double scale, double shift) implements InputChange {
    @Override
    public double apply(double x, int step, int steps) {
      return scale * x + shift;
    }
  }

  /**
   * Values above 0 times {@code 1 + amplitude sin(2 pi frequency t/steps + phase)}.
   *
   * @param frequency periods of a sequence
   */
  record Sin(double frequency, double phase, double amplitude) implements InputChange {
    @Override
    public double apply(double x, int step, int steps) {
      double turn = 2 * Math.PI * frequency * step / steps + phase;
      return x > 0 ? x * (1 + amplitude * Math.sin(turn)) : x;
    }
  }

  /**
   * Values times {@code 1 + delta} at steps strictly between two, as parts of a sequence: the
   * authors' (200, 400) of 784 is (0.255, 0.51).
   */
  record Step(double delta, double from, double to) implements InputChange {
    @Override
    public double apply(double x, int step, int steps) {
      double at = (double) step / steps;
      return at > from && at < to ? x * (1 + delta) : x;
    }
  }
}
