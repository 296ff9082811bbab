// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.cka.ReliabilityReport.Setup;
import org.merganser.cka.ReliabilityReport.SideSetup;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.compute.Workspace;
import org.merganser.internal.Directions;
import org.merganser.linalg.Matrix;

/** The making of one report. */
final class ReliabilityRun {
  /** Influences this many times the spread of all are those of outliers, and above that. */
  private static final double SPREADS = 5 * 1.4826;

  private static final double NOTICED = 0.02;

  private static final int MOST_REMOVED = 10;

  private final CkaReliability asked;
  private final int[] samples;
  private final Workspace ws;
  private double[] unseen;

  /**
   * @param samples of what was given
   */
  ReliabilityRun(CkaReliability asked, int[] samples, Workspace ws) {
    this.asked = asked;
    this.samples = samples;
    this.ws = ws;
  }

  ReliabilityReport report() {
    // First: a readout may leave no direction unseen.
    unseen =
        asked.readout == null
            ? null
            : CkaSensitivity.unseenBy(asked.readout, Directions.seedOfMoved(ws.seed()), ws);
    try (Sides sides = asked.source.open(samples, ws);
        GramPair pair = sides.pair(asked.kernel);
        Matrix linear = asked.kernel.isLinear() ? null : sides.linear()) {
      return report(pair, linear == null ? pair.k : linear, sides);
    }
  }

  private ReliabilityReport report(GramPair pair, Matrix linear, Sides sides) {
    int n = pair.samples();
    double value = pair.centred.cka();
    double[] without = LeaveOneOut.biased(pair, ws);
    GramPair.Unbiased unbiased = asked.debiased ? pair.debiased(ws) : null;
    double[] withoutUnbiased = asked.debiased ? LeaveOneOut.debiased(pair, unbiased, ws) : null;
    Value[] values = values(pair, value, without, unbiased, withoutUnbiased);
    Setup setup = setup(pair, sides);
    double chance = ChanceLevel.of(pair, ws);
    List<Point> points = points(pair, linear, value, without, unbiased, withoutUnbiased);
    List<Removal> removals =
        GreedyRemoval.of(pair, Math.min(MOST_REMOVED, n / 10), ws).stream()
            .map(removal -> new Removal(samples[removal.index()], removal.value()))
            .toList();
    ReliabilityReport bare =
        new ReliabilityReport(
            setup,
            values[0],
            Optional.ofNullable(values[1]),
            chance,
            (value - chance) / (1 - chance),
            sides.significance(
                pair,
                asked.kernel,
                asked.permutations,
                asked.groups == null ? null : picked(asked.groups)),
            points,
            removals,
            translations(sides.curves(linear, unseen), points),
            sides.checks(asked.kernel),
            sides.opinions(asked.kernel),
            List.of());
    return ReliabilityWarnings.added(bare);
  }

  private Value[] values(
      GramPair pair,
      double value,
      double[] without,
      GramPair.Unbiased unbiased,
      double[] withoutUnbiased) {
    double level = asked.level;
    double other = unbiased == null ? Double.NaN : unbiased.cka();
    if (asked.interval == CkaReliability.Interval.JACKKNIFE) {
      return new Value[] {
        Intervals.jackknife(value, without, level, 0),
        unbiased == null ? null : Intervals.jackknife(other, withoutUnbiased, level, -1)
      };
    }
    if (asked.interval == CkaReliability.Interval.HALF_SAMPLING) {
      Resampling.Values halves = Resampling.halves(pair, asked.replicates, ws);
      return new Value[] {
        Intervals.halves(value, halves.biased(), level, 0),
        unbiased == null ? null : Intervals.halves(other, halves.debiased(), level, -1)
      };
    }
    Resampling.Values drawn = Resampling.bootstrap(pair, asked.replicates, ws);
    return new Value[] {
      Intervals.percentiles(value, drawn.biased(), level, 0),
      unbiased == null ? null : Intervals.percentiles(other, drawn.debiased(), level, -1)
    };
  }

  private Setup setup(GramPair pair, Sides sides) {
    SideSetup x = side(pair.k, pair.traceK(), pair.normK(), sides.featuresX());
    SideSetup y = side(pair.l, pair.traceL(), pair.normL(), sides.featuresY());
    Blocks given = asked.source.blocks();
    return new Setup(
        pair.samples(),
        given.positions(),
        given.samples(),
        ws.seed(),
        x,
        y,
        asked.kernel.toString());
  }

  private SideSetup side(Matrix gram, double trace, double norm, long features) {
    double share = Spectrum.largest(gram, ws) / trace;
    return new SideSetup(features, trace * trace / (norm * norm), share);
  }

  private List<Point> points(
      GramPair pair,
      Matrix linear,
      double value,
      double[] without,
      GramPair.Unbiased unbiased,
      double[] withoutUnbiased) {
    int n = without.length;
    double[] influences = IntStream.range(0, n).mapToDouble(i -> value - without[i]).toArray();
    double far = Math.max(NOTICED, SPREADS * spread(influences));
    double[] leverage = pair.blocks.sums(pair.diagonalK);
    double[] own = GramPair.blockSums(linear, pair.blocks, ws);
    double norm = linear == pair.k ? pair.normK() : GramPair.norm(linear, ws);
    double rows = pair.rows();
    double moved = pair.blocks.positions();
    double other = unbiased == null ? Double.NaN : unbiased.cka();
    double trace = pair.traceK();
    List<Point> points = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      points.add(
          new Point(
              samples[i],
              influences[i],
              unbiased == null ? Double.NaN : other - withoutUnbiased[i],
              leverage[i] / trace,
              rows / (moved * (rows - moved)) * own[i] / norm,
              !(Math.abs(influences[i]) <= far)));
    }
    return points;
  }

  /** The median of distances to the median, of what is defined. */
  private static double spread(double[] all) {
    double[] values = Arrays.stream(all).filter(each -> !Double.isNaN(each)).toArray();
    double middle = median(values);
    return median(Arrays.stream(values).map(each -> Math.abs(each - middle)).toArray());
  }

  private static double median(double[] values) {
    return Intervals.quantile(Arrays.stream(values).sorted().toArray(), 0.5);
  }

  private List<Translated> translations(TranslationCurves curves, List<Point> points) {
    List<Translated> all = new ArrayList<>();
    asked.moves.forEach(move -> all.add(curves.of(within(move), move.subset())));
    if (asked.labels != null) {
      all.addAll(curves.classes(picked(asked.labels)));
    } else if (asked.moves.isEmpty()) {
      int most = 0;
      for (int i = 1; i < points.size(); i++) {
        // NaN is most: the others have no value.
        boolean more =
            Double.compare(
                    Math.abs(points.get(i).influence()), Math.abs(points.get(most).influence()))
                > 0;
        most = more ? i : most;
      }
      all.addAll(curves.others(most, samples[most]));
    }
    return all;
  }

  /** Of what was drawn. */
  private CkaReliability.Move within(CkaReliability.Move move) {
    boolean[] inside = Subsets.inside(move.subset(), asked.source.blocks().samples());
    int[] subset = IntStream.range(0, samples.length).filter(i -> inside[samples[i]]).toArray();
    if (subset.length == 0 || subset.length == samples.length) {
      throw new IllegalArgumentException(
          "of the %d samples to be moved %d are among the %d that were drawn; give fewer samples"
              .formatted(move.subset().length, subset.length, samples.length));
    }
    return new CkaReliability.Move(subset, move.direction(), move.distances());
  }

  private int[] picked(int[] ofAll) {
    return Arrays.stream(samples).map(i -> ofAll[i]).toArray();
  }
}
