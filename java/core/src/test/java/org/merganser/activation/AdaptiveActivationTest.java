// SPDX-License-Identifier: Apache-2.0
package org.merganser.activation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.activation.ShapeParams.PerElement;
import org.merganser.activation.ShapeParams.PerUnit;
import org.merganser.activation.ShapeParams.Uniform;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;

/** Printed values, and tensors against the numbers one by one. */
class AdaptiveActivationTest {
  private static final int B = 35;
  private static final int H = 21;

  @ParameterizedTest
  @CsvSource({
    "0, 1, 0, .69314718056, .5, -.69314718056, -.19314718056",
    "0, 1, 1, .5, .25, 0, -.19314718056",
    "0, 5, .25, .228972077084, .6875, -.0207944154168, .361370563888",
    "1, 1, 0, 1.31326168752, .73105857863, -.582203108888, -.582203108888",
    "1, 1, .5, 1.02216013307, .463835255936, -.192795587823, -.582203108888",
    "1, 5, .5, .997325109387, .513273716215, .00252043627318, -.00803592062211",
    "-1, 5, .5, .00401796031105, .0199665671391, -.00412762039761, .00534978122646",
    ".5, 2.5, .25, .644903689697, .691165387751, -.0419984122112, .176528228637",
    "-2, 1, .75, .121134194277, .108545919558, -.248823841877, -.00772508902085",
    "10, 20, .5, 5.5, .5, 6.57177863134e-87, -9",
    "100, 20, .3, 70.3, .7, 0, -99",
    "-100, 20, .3, 0, 0, 0, 0",
    "3, .01, .5, 35.6667335358, .254999437567, -3464.79855044, -70.3184681966"
  })
  void printedValues(double x, double n, double s, double value, double dx, double dn, double ds) {
    assertThat(AdaptiveActivation.value(x, n, s)).isCloseTo(value, printed(value));
    assertThat(AdaptiveActivation.dx(x, n, s)).isCloseTo(dx, printed(dx));
    assertThat(AdaptiveActivation.dn(x, n, s)).isCloseTo(dn, printed(dn));
    assertThat(AdaptiveActivation.ds(x, n, s)).isCloseTo(ds, printed(ds));
  }

  private static org.assertj.core.data.Offset<Double> printed(double value) {
    return within(5.1e-12 * Math.abs(value) + 1e-300);
  }

  @Test
  void printedSecondDerivative() {
    assertThat(AdaptiveActivation.dxx(1, 5, .5)).isCloseTo(-.0653682054, within(5e-11));
    double h = 1e-5;
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < 1000; i++) {
      double x = random.nextDouble(-4, 4);
      double n = random.nextDouble(.3, 20);
      double s = random.nextDouble();
      double slope =
          (AdaptiveActivation.dx(x + h, n, s) - AdaptiveActivation.dx(x - h, n, s)) / (2 * h);
      assertThat(AdaptiveActivation.dxx(x, n, s)).isCloseTo(slope, within(2e-6));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, .25",
    "5, .5, .9",
    "20, 1, 5",
    "5, .1, .9",
    "2.5, .25, .75",
    "4, 1, 1",
    "9, .25, 1",
    // Outside of the range: the vertex is passed, the parabola is turned over.
    "5, 0, 1",
    "5, -.5, 1.5",
    "-5, .5, .5",
    "5, 2, 2.025"
  })
  void steepestSlope(double n, double s, double most) {
    assertThat(AdaptiveActivation.maxSlope(n, s)).isCloseTo(most, within(1e-15));
    double seen = 0;
    for (double x = -30; x <= 30; x += 0.001) {
      seen = Math.max(seen, AdaptiveActivation.dx(x, n, s));
    }
    assertThat(seen).isCloseTo(most, within(1e-4));
  }

  @Test
  void limits() {
    double infinity = Double.POSITIVE_INFINITY;
    assertThat(AdaptiveActivation.value(infinity, 5, 1)).isEqualTo(1);
    assertThat(AdaptiveActivation.value(infinity, 5, .5)).isEqualTo(infinity);
    assertThat(AdaptiveActivation.value(-infinity, 5, .5)).isEqualTo(0);
    assertThat(AdaptiveActivation.dn(infinity, 5, .5)).isEqualTo(0);
    assertThat(AdaptiveActivation.value(Double.NaN, 5, .5)).isNaN();
    assertThat(AdaptiveActivation.value(Double.NaN, 5, 1)).isNaN();
    assertThat(AdaptiveActivation.dn(Double.NaN, 5, .5)).isNaN();
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F64"})
  void tensorsAreTheNumbersOneByOne(DType dtype) {
    double error = dtype == DType.F64 ? 1e-14 : 1e-6;
    Tensor a = random(dtype, 1, -3, 3, B, H);
    Tensor g = random(dtype, 2, -1, 1, B, H);
    ShapeParams[] shapes = {
      Uniform.of(dtype, 2.5, .25),
      new PerUnit(random(dtype, 3, .3, 20, H), random(dtype, 4, 0, 1, H)),
      new PerElement(random(dtype, 5, .3, 20, B, H), random(dtype, 6, -.5, 1.5, B, H))
    };
    for (ShapeParams shape : shapes) {
      int own = (int) shape.n().size();
      DType sums = shape instanceof PerElement ? dtype : DType.F64;
      Tensor da = Tensor.allocate(dtype, B, H);
      Tensor dn = Tensor.allocate(sums, shape.n().shape());
      Tensor ds = Tensor.allocate(sums, shape.s().shape());
      Tensor h = host(AdaptiveActivation.forward(a, shape, WS));
      AdaptiveActivation.backward(a, g, shape, da, dn, ds, WS);
      double[] byN = new double[own];
      double[] byS = new double[own];
      double[] sizes = new double[own];
      for (int i = 0; i < B * H; i++) {
        int k = i % own;
        double x = a.get(i);
        double n = shape.n().get(k);
        double s = shape.s().get(k);
        assertThat(h.get(i)).isCloseTo(AdaptiveActivation.value(x, n, s), within(4 * error));
        double slope = g.get(i) * AdaptiveActivation.dx(x, n, s);
        assertThat(da.get(i)).isCloseTo(slope, within(10 * error));
        byN[k] += g.get(i) * AdaptiveActivation.dn(x, n, s);
        byS[k] += g.get(i) * AdaptiveActivation.ds(x, n, s);
        // Of the terms, which are at most 8.
        sizes[k] += Math.abs(g.get(i)) * 8;
      }
      for (int k = 0; k < own; k++) {
        assertThat(dn.get(k)).isCloseTo(byN[k], within(sizes[k] * error));
        assertThat(ds.get(k)).isCloseTo(byS[k], within(sizes[k] * error));
      }
    }
  }

  @Test
  void gradientsByShapeMayBeLeftOut() {
    Tensor a = random(DType.F32, 1, -3, 3, B, H);
    Tensor g = random(DType.F32, 2, -1, 1, B, H);
    Uniform shape = Uniform.of(DType.F32, 5, .5);
    Tensor with = Tensor.allocate(DType.F32, B, H);
    Tensor without = Tensor.allocate(DType.F32, B, H);
    Tensor sum = Tensor.zeros(DType.F64, 1);
    AdaptiveActivation.backward(a, g, shape, with, sum, Tensor.zeros(DType.F64, 1), WS);
    AdaptiveActivation.backward(a, g, shape, without, null, null, WS);
    assertThat(without.sameBytes(with)).isTrue();
    assertThatThrownBy(() -> AdaptiveActivation.backward(a, g, shape, with, sum, null, WS))
        .hasMessage("one of dn and ds is null: give both, or neither when n and s do not learn");
  }

  @Test
  void gainsAreGuarded() {
    Tensor a = random(DType.F64, 1, -3, 3, B, 3);
    Tensor s = random(DType.F64, 2, 0, 1, 3);
    refused(a, gains(s, false, 1, 5e-4, -1), "n[1] = 0.0005 is below 0.001");
    refused(a, gains(s, false, 1, 2, 0), "n[2] is 0, where the activation has a pole");
    refused(a, gains(s, true, 1, 2, 0), "n[2] is 0, where the activation has a pole");
    refused(a, gains(s, true, Double.NaN, 2, 0), "n[0] is nan");
    Tensor h = host(AdaptiveActivation.forward(a, gains(s, true, 1, 5e-4, -1), WS));
    assertThat(h.get(2)).isCloseTo(AdaptiveActivation.value(a.get(2), -1, s.get(2)), within(1e-14));
    assertThatThrownBy(() -> AdaptiveActivation.value(1, 0, .5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("n must be finite and not 0, not 0.0");
  }

  private static PerUnit gains(Tensor s, boolean unconstrained, double... n) {
    return new PerUnit(Tensor.of(n, n.length), s, unconstrained);
  }

  private static void refused(Tensor a, ShapeParams shape, String message) {
    Tensor out = Tensor.zeros(a.dtype(), a.shape());
    assertThatThrownBy(() -> AdaptiveActivation.forward(a, shape, out, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
    assertThat(out.sameBytes(Tensor.zeros(a.dtype(), a.shape()))).isTrue();
  }

  @Test
  void shapesAndTypesMustFit() {
    Tensor a = Tensor.zeros(DType.F32, B, H);
    Uniform one = Uniform.of(DType.F32, 1, 0);
    unfit(Tensor.zeros(DType.F32, H), one, "F32 [21], needed are F32 or F64 [batch, units]");
    unfit(Tensor.zeros(DType.BF16, B, H), one, "BF16 [35, 21], needed are F32 or F64");
    unfit(Tensor.zeros(DType.F32, 0, H), one, "activations F32 [0, 21] have no elements");
    unfit(a, Uniform.of(DType.F64, 1, 0), "n is F64 [1], needed F32 [1] for all units");
    Tensor units = Tensor.of(new float[H - 1], H - 1);
    unfit(a, new PerUnit(units, units), "n of the units is F32 [20], needed F32 [21]");
    unfit(a, new PerElement(units, units), "n of the elements is F32 [20], needed F32 [35, 21]");
    unfit(a, new Uniform(one.n(), units), "s is F32 [20], needed F32 [1] for all units");
    assertThatThrownBy(() -> AdaptiveActivation.forward(a, one, Tensor.zeros(DType.F32, H, B), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("the result is F32 [21, 35], needed F32 [35, 21]");
    assertThatThrownBy(() -> Uniform.of(DType.F16, 1, 0))
        .hasMessage("activations are F32 or F64, not F16");
  }

  private static void unfit(Tensor a, ShapeParams shape, String message) {
    assertThatThrownBy(() -> AdaptiveActivation.forward(a, shape, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining(message);
  }

  private static Tensor random(DType dtype, long seed, double from, double to, long... shape) {
    SplittableRandom random = new SplittableRandom(seed);
    Tensor tensor = Tensor.allocate(dtype, shape);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, random.nextDouble(from, to));
    }
    return tensor;
  }
}
