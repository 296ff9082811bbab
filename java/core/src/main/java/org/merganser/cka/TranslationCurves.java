// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/** What moving subsets of X does to linear CKA of X with itself. */
final class TranslationCurves {
  /** In units of the size of the cloud of samples. */
  private static final double[] DISTANCES = {0.1, 0.3, 1, 3, 10, 30, 100};

  private static final int NAMED = 6;

  private final Matrix gram;
  private final Blocks blocks;
  private final UnaryOperator<double[]> projections;
  private final double[] common;
  private final boolean unseen;
  private final double norm;
  private final Workspace ws;

  /**
   * @param gram linear, of centred X
   * @param projections of centred X on a direction, by its length
   * @param common those on the direction in which subsets move that have none of their own
   * @param unseen whether a readout does not see that direction
   */
  TranslationCurves(
      Matrix gram,
      Blocks blocks,
      UnaryOperator<double[]> projections,
      double[] common,
      boolean unseen,
      Workspace ws) {
    this.gram = gram;
    this.blocks = blocks;
    this.projections = projections;
    this.common = common;
    this.unseen = unseen;
    this.norm = Translation.sum(LinAlg.rowProducts(gram, gram, ws));
    this.ws = ws;
  }

  /**
   * A subset with a direction and distances of its own.
   *
   * @param given the subset in numbers of who gave it
   */
  Translated of(CkaReliability.Move move, int[] given) {
    double[] v = move.direction();
    double[] along = projections.apply(v);
    double length = Math.sqrt(Translation.dot(v, v));
    CkaSensitivity found = sensitivity(move.subset(), along, length);
    double radius = found.radius() / length;
    String name = name(given);
    return translated(name, move.subset().length, false, 1, radius, found, move.distances());
  }

  /** Each class, in one direction that the readout does not see. */
  List<Translated> classes(int[] labels) {
    List<Translated> curves = new ArrayList<>();
    for (int each : Arrays.stream(labels).distinct().sorted().toArray()) {
      int[] subset = IntStream.range(0, labels.length).filter(i -> labels[i] == each).toArray();
      curves.add(inUnits("class " + each, subset));
    }
    return curves;
  }

  /** Without labels: one sample, and a tenth of them. */
  List<Translated> others(int mostInfluential, int given) {
    int n = blocks.samples();
    int[] order = Seeds.order(n, ws.seed(), "cka moved tenth");
    int[] tenth = Arrays.copyOf(order, Math.max(1, n / 10));
    return List.of(
        inUnits("sample #" + given, new int[] {mostInfluential}),
        inUnits("a tenth at random", tenth));
  }

  private Translated inUnits(String name, int[] subset) {
    CkaSensitivity found = sensitivity(subset, common, 1);
    return translated(name, subset.length, unseen, found.radius(), 1, found, DISTANCES);
  }

  private CkaSensitivity sensitivity(int[] subset, double[] along, double length) {
    boolean[] inside = Subsets.inside(blocks.rowsOf(subset), gram.rows());
    return CkaSensitivity.biased(gram, norm, inside, along, length, ws);
  }

  private static Translated translated(
      String name,
      int samples,
      boolean unseen,
      double unit,
      double radius,
      CkaSensitivity found,
      double[] distances) {
    List<Translated.At> curve = new ArrayList<>();
    for (double distance : distances) {
      curve.add(new Translated.At(distance, found.at(distance * unit)));
    }
    return new Translated(
        name, samples, unseen, unit, curve, found.limit(), found.halfDistance() / unit, radius);
  }

  private static String name(int[] subset) {
    String members =
        Arrays.stream(subset)
            .limit(NAMED)
            .mapToObj(String::valueOf)
            .reduce((a, b) -> a + "," + b)
            .orElse("");
    return "S={" + members + (subset.length > NAMED ? ",...} of " + subset.length : "}");
  }
}
