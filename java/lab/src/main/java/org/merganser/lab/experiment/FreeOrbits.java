// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.merganser.analysis.recurrent.LyapunovSpectrum;
import org.merganser.analysis.recurrent.Recurrence;
import org.merganser.analysis.recurrent.RecurrentMap;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;
import org.merganser.linalg.Matrix;

/**
 * Orbits of a map without input from several states: one map may have more than one attractor.
 *
 * @param exponents of Lyapunov, the median over orbits of each
 * @param halfRun likewise how far they are off at half of the run
 * @param recurrence of the orbits that come back, along their first principal components
 * @param count of the orbits
 */
record FreeOrbits(
    List<Double> exponents, List<Double> halfRun, List<Recurrence> recurrence, int count) {
  private static final int SETTLED = 500;
  private static final int WATCHED = 400;

  /** One of them. */
  private record Orbit(LyapunovSpectrum spectrum, Recurrence recurrence) {}

  /** On all threads, each orbit by itself. */
  static FreeOrbits of(RecurrentMap map, List<double[]> states, int exponents, Workspace ws)
      throws IOException {
    LyapunovSpectrum.Options options = LyapunovSpectrum.Options.defaults().withExponents(exponents);
    List<Callable<Orbit>> calls = new ArrayList<>();
    for (double[] state : states) {
      calls.add(
          () ->
              new Orbit(LyapunovSpectrum.of(map, state, options, ws), recurrence(map, state, ws)));
    }
    List<Orbit> all;
    try (Threads pool = new Threads(Math.min(ws.threads(), calls.size()))) {
      all = pool.all(calls);
    }
    return new FreeOrbits(
        medians(all.stream().map(orbit -> orbit.spectrum().exponents()).toList()),
        medians(all.stream().map(orbit -> orbit.spectrum().halfRunDifferences()).toList()),
        all.stream().map(Orbit::recurrence).filter(found -> found.period() > 0).toList(),
        all.size());
  }

  private static List<Double> medians(List<double[]> orbits) {
    return IntStream.range(0, orbits.get(0).length)
        .mapToObj(k -> Summary.median(orbits.stream().map(orbit -> orbit[k]).toList()))
        .toList();
  }

  private static Recurrence recurrence(RecurrentMap map, double[] from, Workspace ws) {
    double[] state = from;
    double[][] orbit = new double[WATCHED][];
    for (int t = 0; t < SETTLED + WATCHED; t++) {
      state = map.apply(state);
      if (t >= SETTLED) {
        orbit[t - SETTLED] = state;
      }
    }
    try (Matrix states = Matrix.of(orbit)) {
      return Recurrence.along(states, ws).get(0);
    }
  }

  /** Median of the steps after which orbits come back; null when none does. */
  Double steps() {
    return median(recurrence.stream().mapToDouble(Recurrence::period));
  }

  /** Median of their autocorrelations there; null when none does. */
  Double strength() {
    return median(recurrence.stream().mapToDouble(Recurrence::strength));
  }

  private static Double median(DoubleStream values) {
    List<Double> all = values.boxed().toList();
    return all.isEmpty() ? null : (Double) Summary.median(all);
  }
}
