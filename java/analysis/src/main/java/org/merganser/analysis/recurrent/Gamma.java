// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.activation.AdaptiveActivation;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;

/** Units of a gain and a saturation of their own, or of the same. */
final class Gamma implements Nonlinearity {
  private final double[] gain;
  private final double[] saturation;

  Gamma(double[] gain, double[] saturation) {
    if (gain.length != saturation.length || gain.length == 0) {
      throw new ShapeException(
          gain.length
              + " gains and "
              + saturation.length
              + " saturations; as many of both, or one");
    }
    requireFinite("gain", gain);
    requireFinite("saturation", saturation);
    this.gain = gain.clone();
    this.saturation = saturation.clone();
  }

  private static void requireFinite(String name, double... values) {
    for (int unit = 0; unit < values.length; unit++) {
      if (!Double.isFinite(values[unit])) {
        throw new NumericalException(
            "the %s of unit %d is %s; take that of a network that did not diverge"
                .formatted(name, unit, values[unit]));
      }
    }
  }

  private static double of(double[] values, int unit) {
    return values[values.length == 1 ? 0 : unit];
  }

  @Override
  public void check(int units) {
    if (gain.length != 1 && gain.length != units) {
      throw new ShapeException(gain.length + " gains and saturations for " + units + " units");
    }
  }

  @Override
  public double value(double a, int unit) {
    return AdaptiveActivation.value(a, of(gain, unit), of(saturation, unit));
  }

  @Override
  public double slope(double a, int unit) {
    return AdaptiveActivation.dx(a, of(gain, unit), of(saturation, unit));
  }

  @Override
  public double maxSlope(int unit) {
    return AdaptiveActivation.maxSlope(of(gain, unit), of(saturation, unit));
  }

  @Override
  public String toString() {
    return "gamma";
  }
}
