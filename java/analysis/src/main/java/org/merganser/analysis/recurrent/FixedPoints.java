// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.merganser.analysis.recurrent.Descent.End;
import org.merganser.compute.Backend;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Threads;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Fixed and slow points of a map: minima of {@code q(h) = |F(h) - h|^2 / 2} that a damped
 * Gauss-Newton descent finds from many starts ({@code A = J - I}, {@code (A^T A + mu I) d = -A^T (F
 * - h)}, mu after Nielsen), merged where they are the same, with the eigenvalues of their
 * Jacobians. q below {@code fixed} is a fixed point, below {@code slow} a slow one; starts that end
 * elsewhere are counted. A start has ended when any ten steps in a row take less than 1 % of q
 * away, or three in a row promise less than 0.02 % each. Starts run on all threads, each by itself,
 * so the result depends on neither their number nor on the other starts. Cost about {@code 2 1/3
 * H^3} a step.
 *
 * <p>Source: Sussillo and Barak 2013; damping of Madsen, Nielsen and Tingleff 2004.
 *
 * @param points distinct ones, the stillest first
 * @param lost starts that led to none
 */
public record FixedPoints(List<FixedPoint> points, int lost) {
  public FixedPoints {
    points = List.copyOf(points);
  }

  /** Settings. */
  public record Options(
      @Setting(value = "largest q of a fixed point", above = 0) double fixed,
      @Setting(value = "largest q of a slow point", above = 0) double slow,
      @Setting(value = "distance over length of points that are the same", min = 0) double merge,
      @Setting(value = "steps from each start at most", min = 1) int iterations) {
    public Options {
      Settings.check(Options.class, fixed, slow, merge, iterations);
    }

    /** q of 1e-12 and 1e-4, points apart by 1e-3 of their length, 200 steps. */
    public static Options defaults() {
      return new Options(1e-12, 1e-4, 1e-3, 200);
    }

    public Options withFixed(double value) {
      return Settings.with(this, "fixed", value);
    }

    public Options withSlow(double value) {
      return Settings.with(this, "slow", value);
    }

    public Options withMerge(double value) {
      return Settings.with(this, "merge", value);
    }

    public Options withIterations(int value) {
      return Settings.with(this, "iterations", value);
    }
  }

  /**
   * Searches from each start.
   *
   * @param starts states, such as ones that the network was seen in, with noise
   * @throws IllegalArgumentException without starts
   * @throws NumericalException for a start that is not finite, naming start and unit
   */
  public static FixedPoints find(SmoothMap map, double[][] starts, Options options, Workspace ws) {
    check(map, starts);
    End[] ends = ends(map, starts, options, ws);
    List<End> kept = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    int lost = 0;
    Integer[] order =
        IntStream.range(0, ends.length)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer i) -> ends[i].speed()))
            .toArray(Integer[]::new);
    for (int i : order) {
      End end = ends[i];
      // NaN is no slow point.
      if (!(end.speed() <= Math.max(options.fixed(), options.slow()))) {
        lost++;
        continue;
      }
      int same = same(kept, end, options.merge());
      if (same < 0) {
        kept.add(end);
        counts.add(1);
      } else {
        counts.set(same, counts.get(same) + 1);
      }
    }
    return new FixedPoints(described(map, kept, counts, options, ws), lost);
  }

  private static void check(SmoothMap map, double[][] starts) {
    if (starts.length == 0) {
      throw new IllegalArgumentException("no starts to search fixed points from");
    }
    for (int s = 0; s < starts.length; s++) {
      if (starts[s].length != map.dimension()) {
        throw new ShapeException(
            "start %d has %d units, the map %d".formatted(s, starts[s].length, map.dimension()));
      }
      for (int i = 0; i < starts[s].length; i++) {
        if (!Double.isFinite(starts[s][i])) {
          throw new NumericalException("start " + s + " is " + starts[s][i] + " in unit " + i);
        }
      }
    }
  }

  private static End[] ends(SmoothMap map, double[][] starts, Options options, Workspace ws) {
    End[] ends = new End[starts.length];
    AtomicInteger next = new AtomicInteger();
    Callable<Void> worker =
        () -> {
          try (Workspace own = host(ws, 1);
              Descent descent = new Descent(map, options, own)) {
            for (int s; (s = next.getAndIncrement()) < starts.length; ) {
              ws.cancellation().check();
              ends[s] = descent.from(starts[s]);
            }
          }
          return null;
        };
    int threads = Math.min(ws.threads(), starts.length);
    try (Threads pool = new Threads(threads)) {
      pool.all(IntStream.range(0, threads).mapToObj(t -> worker).toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ends;
  }

  /** Small matrices, many at a time: the CPU's. */
  private static Workspace host(Workspace ws, int threads) {
    return Workspace.builder()
        .backend(Backend.CPU)
        .threads(threads)
        .seed(ws.seed())
        .cancellation(ws.cancellation())
        .open();
  }

  /** The first of those kept that is the same, or -1. */
  private static int same(List<End> kept, End end, double merge) {
    for (int k = 0; k < kept.size(); k++) {
      double[] a = kept.get(k).state();
      double[] b = end.state();
      double apart = 0;
      double lengthA = 0;
      double lengthB = 0;
      for (int i = 0; i < a.length; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        lengthA += a[i] * a[i];
        lengthB += b[i] * b[i];
      }
      // A point at 0 has no length: what is as near to it as that is the same.
      double length = Math.max(Math.sqrt(Math.max(lengthA, lengthB)), merge);
      if (Math.sqrt(apart) <= merge * length) {
        return k;
      }
    }
    return -1;
  }

  private static List<FixedPoint> described(
      SmoothMap map, List<End> kept, List<Integer> counts, Options options, Workspace ws) {
    List<FixedPoint> points = new ArrayList<>();
    try (Workspace host = host(ws, ws.threads())) {
      List<double[]> jacobians = kept.stream().map(end -> map.jacobian(end.state())).toList();
      List<Spectrum> spectra = Spectrum.of(jacobians, map.dimension(), host);
      for (int k = 0; k < kept.size(); k++) {
        End end = kept.get(k);
        boolean fixed = end.speed() <= options.fixed();
        points.add(new FixedPoint(end.state(), end.speed(), fixed, spectra.get(k), counts.get(k)));
      }
    }
    return points;
  }

  /** Those that stand still. */
  public List<FixedPoint> fixed() {
    return points.stream().filter(FixedPoint::isFixed).toList();
  }

  /** Those that do not quite. */
  public List<FixedPoint> slow() {
    return points.stream().filter(point -> !point.isFixed()).toList();
  }
}
