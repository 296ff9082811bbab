// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/** Where a map stands still, or nearly so. */
public final class FixedPoint {
  private final double[] state;
  private final double speed;
  private final boolean fixed;
  private final Spectrum spectrum;
  private final int starts;

  FixedPoint(double[] state, double speed, boolean fixed, Spectrum spectrum, int starts) {
    this.state = state;
    this.speed = speed;
    this.fixed = fixed;
    this.spectrum = spectrum;
    this.starts = starts;
  }

  /** A copy of h. */
  public double[] state() {
    return state.clone();
  }

  /** {@code q = |F(h) - h|^2 / 2}. */
  public double speed() {
    return speed;
  }

  /** Whether it stands still; else it is slow. */
  public boolean isFixed() {
    return fixed;
  }

  /** Eigenvalues of the Jacobian there. */
  public Spectrum spectrum() {
    return spectrum;
  }

  /** How many of the starts led to it. */
  public int starts() {
    return starts;
  }

  /** Whether all eigenvalues are within the unit circle. */
  public boolean isStable() {
    return spectrum.unstable() == 0;
  }

  /** Directions that do not shrink: eigenvalues of modulus 1 and more. */
  public int unstableDirections() {
    return spectrum.unstable();
  }

  /** Steps of a turn of each complex pair, that of the largest modulus first. */
  public double[] periods() {
    double[] imaginary = spectrum.imaginary();
    return IntStream.range(0, spectrum.size())
        .filter(i -> imaginary[i] > 0)
        .mapToDouble(spectrum::period)
        .toArray();
  }

  /** |h|. */
  public double norm() {
    return Math.sqrt(DoubleStream.of(state).map(x -> x * x).sum());
  }
}
