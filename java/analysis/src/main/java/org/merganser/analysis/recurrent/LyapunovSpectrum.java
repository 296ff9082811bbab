// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.LongFunction;
import org.merganser.compute.Backend;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The largest k Lyapunov exponents of a map, in nats a step: how fast volumes of 1 to k dimensions
 * grow along an orbit.
 *
 * <pre>
 *   Q_0 orthonormal [H x k];  Z = J_t Q,  Z = Q R with R_ii >= 0;  lambda_i = mean_t ln R_ii
 * </pre>
 *
 * Exponents come in decreasing order once they have converged. Where some R_ii is 0, up to H
 * rounding units of the largest, that exponent and those below it are negative infinity: J has no
 * such rank. The sum over k = H is the mean of {@code ln |det J|}. Maps may differ from step to
 * step (a network with inputs): the exponents are then conditional ones. Cost {@code 2 H^2 k + 4 H
 * k^2} a step.
 *
 * <p>Source: Benettin, Galgani, Giorgilli and Strelcyn 1980; Geist, Parlitz and Lauterborn 1990.
 */
public final class LyapunovSpectrum {
  private final double[] exponents;
  private final double[] halfRunDifferences;
  private final double[] state;

  private LyapunovSpectrum(double[] exponents, double[] halfRunDifferences, double[] state) {
    this.exponents = exponents;
    this.halfRunDifferences = halfRunDifferences;
    this.state = state;
  }

  /**
   * Settings.
   *
   * @param every steps between two decompositions; directions lose {@code exp(every (lambda_1 -
   *     lambda_k))} of their digits
   */
  public record Options(
      @Setting(value = "exponents, from the largest", min = 1) int exponents,
      @Setting(value = "steps before those that count", min = 0) int burnIn,
      @Setting(value = "steps that count", min = 2) int steps,
      @Setting(value = "steps between two decompositions", min = 1) int every) {
    public Options {
      Settings.check(Options.class, exponents, burnIn, steps, every);
      if (every > steps / 2) {
        throw new IllegalArgumentException(
            "a decomposition every " + every + " steps has none in half of " + steps + " steps");
      }
    }

    /** The largest exponent; 500 steps of burn-in, 2000 that count, a decomposition after each. */
    public static Options defaults() {
      return new Options(1, 500, 2000, 1);
    }

    public Options withExponents(int value) {
      return Settings.with(this, "exponents", value);
    }

    public Options withBurnIn(int value) {
      return Settings.with(this, "burnIn", value);
    }

    public Options withSteps(int value) {
      return Settings.with(this, "steps", value);
    }

    public Options withEvery(int value) {
      return Settings.with(this, "every", value);
    }
  }

  /** Of one map from a state on. */
  public static LyapunovSpectrum of(SmoothMap map, double[] start, Options options, Workspace ws) {
    return of(step -> map, start, options, ws);
  }

  /**
   * Of a sequence of maps from a state on.
   *
   * @param maps the map of each step from 0, steps of burn-in first
   * @throws NumericalException when a state is not finite, naming step and unit
   */
  public static LyapunovSpectrum of(
      LongFunction<? extends SmoothMap> maps, double[] start, Options options, Workspace ws) {
    int size = maps.apply(0).dimension();
    if (options.exponents() > size) {
      throw new IllegalArgumentException(
          "%d exponents of a map of %d dimensions; ask for 1 to %d"
              .formatted(options.exponents(), size, size));
    }
    if (start.length != size) {
      throw new ShapeException("a state of " + start.length + " for a map of " + size + " units");
    }
    // Small matrices of one orbit: never worth the way to a device.
    try (Workspace host =
            Workspace.builder()
                .backend(Backend.CPU)
                .threads(1)
                .seed(ws.seed())
                .cancellation(ws.cancellation())
                .open();
        Run run = new Run(maps, start, options, host)) {
      return run.result();
    }
  }

  /** A copy of the exponents, in nats a step. */
  public double[] exponents() {
    return exponents.clone();
  }

  /**
   * By how much the mean over the first half of the run is off that over all of it, for each
   * exponent: how far it is from having converged.
   */
  public double[] halfRunDifferences() {
    return halfRunDifferences.clone();
  }

  /** A copy of the state after the last step. */
  public double[] state() {
    return state.clone();
  }

  /** In bits a step. */
  public double[] bits() {
    return Arrays.stream(exponents).map(nats -> nats / Math.log(2)).toArray();
  }

  /** The state and the directions that follow it. */
  private static final class Run implements AutoCloseable {
    private final LongFunction<? extends SmoothMap> maps;
    private final Options options;
    private final Workspace ws;
    private final Matrix directions;
    private final Matrix triangle;
    private double[] state;

    Run(LongFunction<? extends SmoothMap> maps, double[] start, Options options, Workspace ws) {
      this.maps = maps;
      this.options = options;
      this.ws = ws;
      this.state = start.clone();
      int k = options.exponents();
      double[] gaussian = new double[start.length * k];
      SplittableRandom random = Seeds.stream(ws.seed(), "lyapunov directions");
      Arrays.setAll(gaussian, i -> random.nextGaussian());
      directions = Matrix.of(Tensor.of(gaussian, start.length, k));
      triangle = Matrix.allocate(k, k);
      LinAlg.qr(directions, directions, triangle, ws);
    }

    LyapunovSpectrum result() {
      double[] sums = new double[options.exponents()];
      double[] half = null;
      long halfSteps = 0;
      long total = (long) options.burnIn() + options.steps();
      for (long step = 0; step < total; step++) {
        advance(step);
        long counted = step + 1 - options.burnIn();
        boolean last = counted == 0 || counted == options.steps();
        if (last || Math.floorMod(counted, options.every()) == 0) {
          LinAlg.qr(directions, directions, triangle, ws);
          if (counted > 0) {
            count(sums);
            if (2L * counted <= options.steps()) {
              half = sums.clone();
              halfSteps = counted;
            }
          }
        }
      }
      return finished(sums, half, halfSteps);
    }

    private void count(double[] sums) {
      double most = 0;
      for (int i = 0; i < sums.length; i++) {
        most = Math.max(most, triangle.get(i, i));
      }
      double rounding = most * state.length * Math.ulp(1.0);
      for (int i = 0; i < sums.length; i++) {
        double stretch = triangle.get(i, i);
        sums[i] += stretch > rounding ? Math.log(stretch) : Double.NEGATIVE_INFINITY;
      }
    }

    private void advance(long step) {
      SmoothMap map = maps.apply(step);
      int size = state.length;
      try (Matrix jacobian = Matrix.of(Tensor.of(map.jacobian(state), size, size));
          Matrix moved = LinAlg.multiply(jacobian, directions, ws)) {
        directions.asTensor().copyFrom(moved.asTensor(), ws);
      }
      state = map.apply(state);
      for (int i = 0; i < size; i++) {
        if (!Double.isFinite(state[i])) {
          throw new NumericalException(
              "the state after step %d is %s in unit %d; start elsewhere, or check the weights"
                  .formatted(step, state[i], i));
        }
      }
    }

    private LyapunovSpectrum finished(double[] sums, double[] half, long halfSteps) {
      double[] exponents = new double[sums.length];
      double[] differences = new double[sums.length];
      boolean none = false;
      boolean noneInHalf = false;
      for (int i = 0; i < sums.length; i++) {
        none |= sums[i] == Double.NEGATIVE_INFINITY;
        noneInHalf |= half[i] == Double.NEGATIVE_INFINITY;
        exponents[i] = none ? Double.NEGATIVE_INFINITY : sums[i] / options.steps();
        double first = noneInHalf ? Double.NEGATIVE_INFINITY : half[i] / halfSteps;
        differences[i] = first == exponents[i] ? 0 : Math.abs(exponents[i] - first);
      }
      return new LyapunovSpectrum(exponents, differences, state);
    }

    @Override
    public void close() {
      directions.close();
      triangle.close();
    }
  }
}
