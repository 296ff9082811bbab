// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.analysis.landscape.Direction;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.analysis.landscape.LossFunction;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.analysis.topology.Graph;
import org.merganser.analysis.topology.NeighbourGraph.Choice;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.lab.experiment.Landscape.Components;
import org.merganser.lab.experiment.Landscape.Probes;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.experiment.Landscape.Walk;
import org.merganser.lab.experiment.LandscapeClaims.Claim;
import org.merganser.lab.experiment.LandscapeDiagrams.Distance;
import org.merganser.lab.experiment.LandscapeRanks.Pooled;
import org.merganser.linalg.Matrix;
import org.merganser.model.Evaluation;

/** The numbers of the experiment on values made by hand. */
class LandscapeNumbersTest {
  private static final LandscapeMinimum[] MINIMA = LandscapeMinimum.values();

  /** The ring of five of the spec, whose losses are these. */
  @Test
  void persistenceOfARing() {
    Graph ring = Graph.of(5, new int[][] {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}});
    double[] losses = {.1, .9, .3, 1.2, .2};
    Valleys valleys =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED, "nearest", "test", new Choice(ring, 3), losses);
    assertThat(valleys.tied()).isEqualTo(3);
    assertThat(valleys.pairs()).containsExactly(List.of(.3, .9));
    assertThat(valleys.total()).isCloseTo(.6, within(1e-15));
    assertThat(valleys.range()).isCloseTo(1.1, within(1e-15));
    assertThat(valleys.total(true)).isCloseTo(.6 / 1.1, within(1e-15));
    assertThat(valleys.components()).isEqualTo(1);
    assertThat(valleys.edges()).isEqualTo(5);
    assertThat(valleys.births()).containsExactly(1.2);
    assertThat(valleys.loops()).isZero();
    assertThat(valleys.diagram(true).points())
        .containsExactly(new Point((.3 - .1) / valleys.range(), (.9 - .1) / valleys.range()));
    Valleys other =
        LandscapeTopology.valleys(
            LandscapeSampling.LINES, "nearest", "test", new Choice(ring, 0), losses);
    assertThat(other.births()).isEmpty();
  }

  /** The rule says which neighbours: nearest 01, 02, 13; farthest 03, 13, 23. */
  @Test
  void bothRulesLookAtTheSamePotential() {
    double[][] potential = {{0, 1, 2, 9}, {1, 0, 3, 4}, {2, 3, 0, 5}, {9, 4, 5, 0}};
    double[] train = {.1, .2, .4, .3};
    double[] test = {.2, .3, .5, .1};
    List<Valleys> all =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED, potential, 1, Map.of("train", train, "test", test));
    assertThat(all)
        .extracting(Valleys::rule)
        .containsExactly("nearest", "nearest", "farthest", "farthest");
    assertThat(all).extracting(Valleys::loss).containsExactly("train", "test", "train", "test");
    assertThat(all).extracting(Valleys::components).containsOnly(1);
    assertThat(all).extracting(Valleys::edges).containsOnly(3);
    assertThat(all).extracting(Valleys::tied).containsOnly(0);
    // Farthest, by the training loss: 1 at .2 meets 0 over 3, at .3. Nearest, by the test loss: 0
    // and 1 at .2 meet 3 at .3.
    double[] wanted = {0, .1, .1, 0};
    for (int i = 0; i < wanted.length; i++) {
      assertThat(all.get(i).total()).isCloseTo(wanted[i], within(1e-12));
    }
  }

  @Test
  void lossesWithoutARangeHaveNothingRelative() {
    Graph pair = Graph.of(2, new int[] {0, 1});
    Valleys flat =
        LandscapeTopology.valleys(
            LandscapeSampling.RETRAINED,
            "nearest",
            "test",
            new Choice(pair, 0),
            new double[] {.5, .5});
    assertThat(flat.total(true)).isZero();
  }

  /** Two trajectories of three samples: their ends are half as far apart as their beginnings. */
  @Test
  void togetherIsWhatTrainingBrings() {
    double[][] points = {{0, 0}, {9, 9}, {1, 0}, {4, 0}, {-9, 3}, {1, 2}};
    assertThat(LandscapeAnalysis.together(points, 3)).isEqualTo(.5);
  }

  @Test
  void distancesAreOfPairsOfSeeds() {
    Diagram a = new Diagram(0, List.of(new Point(0, 1), new Point(0, 2), new Point(1, 4)));
    Diagram b = new Diagram(0, List.of(new Point(0, 1.5), new Point(.5, 2.5)));
    Diagram none = new Diagram(0, List.of());
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThat(Distance.between(List.of(a), List.of(b), ws)).isEqualTo(new Distance(2.5, 0, 1));
      assertThat(Distance.within(List.of(a, b), ws)).isEqualTo(new Distance(2.5, 0, 1));
      assertThat(Distance.between(List.of(none, none), List.of(none), ws))
          .isEqualTo(new Distance(0, 0, 2));
      assertThat(Distance.between(List.of(a, b), List.of(none), ws).mean())
          .isCloseTo((3 + 1.75) / 2, within(1e-12));
      assertThat(Distance.within(List.of(a), ws).text()).isEqualTo("-");
    }
  }

  @Test
  void ranksAndTheirIntervals() {
    assertThat(LandscapeRanks.spearman(List.of(1.0, 2.0, 5.0), List.of(3.0, 2.0, 1.0)))
        .isCloseTo(-1, within(1e-12));
    assertThat(LandscapeRanks.spearman(List.of(1.0, 1.0, 1.0), List.of(3.0, 2.0, 1.0))).isZero();
    List<Double> gaps = List.of(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
    Pooled pooled = LandscapeRanks.pooled(List.of(2.0, 1.0, 4.0, 3.0, 6.0, 5.0, 7.0), gaps);
    // 1 - 6 * 6 / (7 * 48); z = 1.43..., half = 1.95996 sqrt(1.06 / 4).
    assertThat(pooled.rho()).isCloseTo(1 - 36.0 / 336, within(1e-12));
    double z = 0.5 * Math.log((1 + pooled.rho()) / (1 - pooled.rho()));
    assertThat(pooled.low()).isCloseTo(Math.tanh(z - 1.0089532), within(1e-6));
    assertThat(pooled.high()).isCloseTo(Math.tanh(z + 1.0089532), within(1e-6));
    assertThat(pooled.networks()).isEqualTo(7);
    // Of a perfect correlation z is infinite: an interval of no width from any number of networks.
    List<Double> falling = List.of(7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0);
    for (List<Double> perfect : List.of(gaps, falling)) {
      assertThat(Math.abs(LandscapeRanks.pooled(perfect, gaps).rho())).isCloseTo(1, within(1e-12));
      assertThat(LandscapeRanks.pooled(perfect, gaps).low()).isNull();
      assertThat(LandscapeRanks.pooled(perfect, gaps).high()).isNull();
    }
    assertThat(LandscapeRanks.pooled(gaps.subList(0, 3), gaps.subList(0, 3)).low()).isNull();
  }

  @Test
  void labelsThatAreRandomForLessAreSoForMore() {
    int[] labels = IntStream.range(0, 4000).map(i -> i % 10).toArray();
    int[] half = LandscapeImages.randomised(labels, 10, .5, 1, "a");
    int[] all = LandscapeImages.randomised(labels, 10, 1, 1, "a");
    assertThat(LandscapeImages.randomised(labels, 10, 0, 1, "a")).isEqualTo(labels);
    assertThat(share(half, labels)).isCloseTo(.5 + .5 / 10, within(.03));
    assertThat(share(all, labels)).isCloseTo(.1, within(.03));
    for (int i = 0; i < labels.length; i++) {
      assertThat(half[i]).isIn(labels[i], all[i]);
    }
    assertThat(LandscapeImages.randomised(labels, 10, 1, 2, "a")).isNotEqualTo(all);
    assertThat(LandscapeImages.randomised(labels, 10, 1, 1, "b")).isNotEqualTo(all);
  }

  private static double share(int[] a, int[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] == b[i] ? 1 : 0).average().orElse(0);
  }

  /** Distances of the probes in the span of their directions are those between the parameters. */
  @Test
  void probesLieWhereTheirParametersDo() {
    double[][] axes = {{3, 0, 4, 0, 0}, {1, 2, 0, 2, 0}, {0, 0, 0, 1, 1}};
    List<Direction> directions = new ArrayList<>();
    for (double[] axis : axes) {
      directions.add(new Direction(0, Norm.NONE, OneDimensional.IGNORE, axis));
    }
    LandscapeProbes probes = new LandscapeProbes(new double[5], directions, 2, 14);
    List<double[]> lines = new ArrayList<>();
    for (double[] axis : axes) {
      for (double step : new double[] {-2, -2.0 / 3, 2.0 / 3, 2}) {
        lines.add(moved(axis, step, axis, 0));
      }
    }
    List<double[]> plane = new ArrayList<>();
    for (double a : new double[] {-2, 0, 2}) {
      for (double b : new double[] {-2, 0, 2}) {
        plane.add(moved(axes[0], a, axes[1], b));
      }
    }
    check(probes.lines(), lines);
    check(probes.plane(), plane);
  }

  private static double[] moved(double[] a, double x, double[] b, double y) {
    return IntStream.range(0, a.length).mapToDouble(i -> x * a[i] + y * b[i]).toArray();
  }

  private static void check(Matrix points, List<double[]> parameters) {
    try (points;
        Workspace ws = Workspace.builder().threads(1).open();
        GramMatrix products = GramMatrix.centred(SampleRows.of(points), DType.F64, ws);
        Matrix distances = products.euclidean()) {
      assertThat(points.rows()).isEqualTo(parameters.size());
      for (int i = 0; i < parameters.size(); i++) {
        for (int j = 0; j < i; j++) {
          double[] apart = moved(parameters.get(i), 1, parameters.get(j), -1);
          double wanted =
              Math.sqrt(IntStream.range(0, 5).mapToDouble(k -> apart[k] * apart[k]).sum());
          assertThat(distances.get(i, j)).isCloseTo(wanted, within(1e-6));
        }
      }
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  // Claims.

  /**
   * A landscape with a gap; persistence by kind of samples, ends as near as said, in some groups.
   */
  private static Landscape landscape(
      double gap, double retrained, double lines, double together, int groups) {
    List<Valleys> valleys = new ArrayList<>();
    for (LandscapeSampling samples : LandscapeSampling.values()) {
      boolean own = samples.id().startsWith("retrained");
      double total = own ? retrained : lines;
      for (String rule : LandscapeTopology.RULES) {
        for (String loss : LandscapeTopology.LOSSES) {
          valleys.add(
              new Valleys(
                  samples.id(),
                  rule,
                  loss,
                  0,
                  2,
                  0,
                  5,
                  1,
                  total,
                  0,
                  List.of(List.of(0.0, total)),
                  List.of()));
        }
      }
    }
    List<Double> none = List.of();
    return new Landscape(
        new Evaluation(1, 0.25),
        new Evaluation(.9, 0.25 + gap),
        new Evaluation(.5, 1),
        new Samples(List.of(), none, List.of(), none, none, none, none, none, none),
        new Walk(1, none, groups, 0, together, List.of()),
        new Components(none, .5),
        new Probes(none, List.of(), List.of(), none, List.of(), List.of()),
        valleys);
  }

  /**
   * Gaps grow from minimum to minimum. Lines rank all but two of them, in another order by seed.
   */
  private static LandscapeFound found(int seeds, double noise) {
    return found(seeds, noise, seeds);
  }

  /** Samples of wd in the seed numbered {@code apart} fall into two groups. */
  private static LandscapeFound found(int seeds, double noise, int apart) {
    List<Map<LandscapeMinimum, Landscape>> all = new ArrayList<>();
    double[] lines = {.2, .1, .3, .4, .5};
    for (int seed = 0; seed < seeds; seed++) {
      Map<LandscapeMinimum, Landscape> landscapes = new EnumMap<>(LandscapeMinimum.class);
      for (int m = 0; m < MINIMA.length; m++) {
        double retrained = Math.pow(10, (m + 1) * (1 + noise * (seed % 2 == 0 ? 1 : -1)));
        double swapped = seed == 1 && m > 2 ? 1 - lines[m] : lines[m];
        double together = .5 - (.1 + .001 * noise * seed) * m * (m % 2);
        int groups = seed == apart && MINIMA[m] == LandscapeMinimum.WD ? 2 : 1;
        landscapes.put(MINIMA[m], landscape(m + .01 * seed, retrained, swapped, together, groups));
      }
      all.add(landscapes);
    }
    return new LandscapeFound(List.of(MINIMA), all);
  }

  private static List<Claim> claims(LandscapeFound found, String id, String between, String by) {
    return LandscapeClaims.of(found).stream()
        .filter(c -> c.claim().equals(id) && c.between().equals(between) && c.by().contains(by))
        .toList();
  }

  @Test
  void claimsHoldWhereTheIntervalIsAboveZero() {
    LandscapeFound found = found(3, .01);
    List<Claim> information =
        claims(found, "a", "jump and retrain less lines", "nearest, test loss");
    assertThat(information).hasSize(2);
    assertThat(information.get(0).value().pairs())
        .satisfiesExactly(
            a -> assertThat(a).isCloseTo(.1, within(1e-12)),
            b -> assertThat(b).isCloseTo(.2, within(1e-12)),
            c -> assertThat(c).isCloseTo(.1, within(1e-12)));
    // 0.133 - 4.303 * 0.0577 / sqrt(3) is below 0.
    assertThat(information.get(0).held()).isFalse();
    Claim numbers = claims(found, "c", "none against wd", "nearest, test loss").get(0);
    assertThat(numbers.value().mean()).isCloseTo(1 + .01 / 3, within(1e-6));
    assertThat(numbers.held()).isTrue();
    assertThat(numbers.verdict()).isEqualTo("held");
    Claim relative = claims(found, "c", "labels-100 against none", "by its range").get(0);
    assertThat(relative.value().mean()).isCloseTo(2 + .02 / 3, within(1e-4));
  }

  @Test
  void noiseBeyondTheDifferenceHoldsNothing() {
    Claim numbers = claims(found(3, 2), "c", "none against wd", "nearest, test loss").get(0);
    assertThat(numbers.value().pairs().get(0)).isPositive();
    assertThat(numbers.value().pairs().get(1)).isNegative();
    assertThat(numbers.held()).isFalse();
    assertThat(numbers.verdict()).isEqualTo("not held");
  }

  @Test
  void oneSeedHasNoVerdict() {
    assertThat(LandscapeClaims.of(found(1, 0)))
        .hasSize(16 + 8 + 32)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("one seed"));
  }

  /** An interval of two seeds is as wide as Student says, of equal numbers it has no width. */
  @Test
  void twoSeedsOrEqualNumbersHaveNoVerdict() {
    assertThat(LandscapeClaims.of(found(2, .01)))
        .hasSize(16 + 8 + 32)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("two seeds"));
    Claim equal = claims(found(3, 0), "c", "none against wd", "nearest, test loss").get(0);
    assertThat(equal.value().mean()).isCloseTo(1, within(1e-6));
    assertThat(equal.held()).isNull();
    assertThat(equal.verdict()).isEqualTo("no spread");
  }

  /** Distances between groups that no walk connects are no evidence; those of PCA are. */
  @Test
  void picturesInGroupsHaveNoVerdict() {
    LandscapeFound found = found(3, .01, 1);
    for (String contrast : List.of("wd against wd-aug", "none against wd")) {
      Claim phate = claims(found, "b", contrast, "PHATE").get(0);
      assertThat(phate.value().low()).isNotNull();
      assertThat(phate.held()).isNull();
      assertThat(phate.verdict()).isEqualTo("groups no walk connects");
    }
    assertThat(claims(found, "b", "labels-50 against none", "PHATE").get(0).held()).isTrue();
    assertThat(claims(found, "b", "wd against wd-aug", "PCA").get(0).verdict())
        .isEqualTo("no spread");
  }

  /** Of one network, whose graph depends on the order of its samples. */
  @Test
  void totalsOfTiesHaveNoVerdict() {
    LandscapeFound found =
        changed(
            found(3, .01),
            (seed, m, v) ->
                seed == 1 && m == LandscapeMinimum.WD && in(v, "retrained", "farthest")
                        || seed == 1
                            && m == LandscapeMinimum.LABELS_100
                            && in(v, "plane", "nearest")
                    ? with(v, v.total(), 1)
                    : v);
    for (String contrast : List.of("wd against wd-aug", "none against wd")) {
      assertThat(claims(found, "c", contrast, "farthest"))
          .hasSize(4)
          .allMatch(claim -> claim.held() == null && claim.verdict().equals("ties"));
      assertThat(claims(found, "c", contrast, "nearest")).noneMatch(claim -> claim.held() == null);
    }
    assertThat(claims(found, "c", "labels-50 against none", "farthest"))
        .noneMatch(claim -> claim.held() == null);
    assertThat(claims(found, "a", "jump and retrain less lines", "farthest"))
        .allMatch(claim -> claim.verdict().equals("ties"));
    assertThat(claims(found, "a", "jump and retrain less lines", "nearest"))
        .noneMatch(claim -> claim.held() == null);
    assertThat(claims(found, "a", "jump and retrain, Euclidean less plane", "nearest"))
        .allMatch(claim -> claim.verdict().equals("ties"));
  }

  private static boolean in(Valleys v, String samples, String rule) {
    return v.samples().equals(samples) && v.rule().equals(rule);
  }

  private static Valleys with(Valleys v, double total, int tied) {
    return new Valleys(
        v.samples(),
        v.rule(),
        v.loss(),
        v.lowest(),
        v.highest(),
        tied,
        v.edges(),
        v.components(),
        total,
        v.loops(),
        v.pairs(),
        v.births());
  }

  private interface Change {
    Valleys of(int seed, LandscapeMinimum minimum, Valleys valleys);
  }

  private static LandscapeFound changed(LandscapeFound found, Change change) {
    List<Map<LandscapeMinimum, Landscape>> all = new ArrayList<>();
    for (int seed = 0; seed < found.seeds().size(); seed++) {
      int number = seed;
      Map<LandscapeMinimum, Landscape> landscapes = new EnumMap<>(LandscapeMinimum.class);
      found
          .seeds()
          .get(seed)
          .forEach(
              (m, l) ->
                  landscapes.put(
                      m,
                      new Landscape(
                          l.train(),
                          l.test(),
                          l.drawn(),
                          l.samples(),
                          l.phate(),
                          l.pca(),
                          l.probes(),
                          l.valleys().stream().map(v -> change.of(number, m, v)).toList())));
      all.add(landscapes);
    }
    return new LandscapeFound(found.minima(), all);
  }

  /** What has no spread ranks nothing: its correlation is no 0 that another may lie above. */
  @Test
  void aSideWithoutSpreadHasNoVerdict() {
    LandscapeFound found =
        changed(
            found(3, .01),
            (seed, m, v) -> seed == 2 && in(v, "plane", "nearest") ? with(v, .3, 0) : v);
    assertThat(claims(found, "a", "jump and retrain less plane", "nearest"))
        .hasSize(2)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("no spread"));
    for (String others : List.of("plane", "lines")) {
      assertThat(claims(found, "a", "jump and retrain less " + others, "farthest"))
          .noneMatch(claim -> claim.held() == null);
    }
    // Of one minimum in all seeds.
    LandscapeFound constant =
        changed(
            found(3, .01),
            (seed, m, v) ->
                m == LandscapeMinimum.LABELS_50 && in(v, "retrained", "nearest")
                    ? with(v, 0, 0)
                    : v);
    assertThat(claims(constant, "c", "labels-50 against none", "nearest"))
        .hasSize(4)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("no spread"));
    assertThat(claims(constant, "c", "labels-50 against none", "farthest"))
        .noneMatch(claim -> claim.held() == null);
  }

  /** The ratio of totals that are 0 is that of what is added to them. */
  @Test
  void totalsThatAreMostlyNoneHaveNoVerdict() {
    LandscapeFound found =
        changed(
            found(3, .01),
            (seed, m, v) -> {
              boolean none =
                  m == LandscapeMinimum.NONE && seed != 1
                      || m == LandscapeMinimum.LABELS_50 && seed != 2;
              return none && in(v, "retrained", "nearest") ? with(v, 0, 0) : v;
            });
    assertThat(claims(found, "c", "labels-50 against none", "nearest"))
        .hasSize(4)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("mostly 0"));
    // 2 of 6, and 4 of 15.
    assertThat(claims(found, "c", "none against wd", "nearest"))
        .noneMatch(claim -> claim.held() == null);
    assertThat(claims(found, "a", "jump and retrain less lines", "nearest"))
        .noneMatch(claim -> claim.held() == null);
    LandscapeFound more =
        changed(
            found(3, .01),
            (seed, m, v) ->
                m.compareTo(LandscapeMinimum.WD) > 0 && in(v, "lines", "nearest")
                    ? with(v, 0, 0)
                    : v);
    assertThat(claims(more, "a", "jump and retrain less lines", "nearest"))
        .hasSize(2)
        .allMatch(claim -> claim.held() == null && claim.verdict().equals("mostly 0"));
  }

  @Test
  void oneRowAnswersEachClaim() {
    assertThat(LandscapeClaims.of(found(3, .01)))
        .filteredOn(Claim::primary)
        .extracting(claim -> claim.claim() + ": " + claim.between() + ", " + claim.by())
        .containsExactly(
            "a: jump and retrain less lines, nearest, test loss, by its range",
            "b: wd against wd-aug, PHATE",
            "c: wd against wd-aug, nearest, test loss, by its range");
  }

  /** Before persistence would say that a vertex is infinite. */
  @Test
  void lossesThatAreNoneAreNamed() {
    List<Direction> directions = new ArrayList<>();
    for (double[] axis : new double[][] {{1, 0}, {0, 1}}) {
      directions.add(new Direction(0, Norm.NONE, OneDimensional.IGNORE, axis));
    }
    LandscapeProbes probes = new LandscapeProbes(new double[2], directions, 2, 9);
    LossFunction fine = (theta, ws) -> theta[0];
    LossFunction line = (theta, ws) -> theta[1] == 2 ? Double.POSITIVE_INFINITY : 1;
    LossFunction plane = (theta, ws) -> theta[0] * theta[1] < 0 ? Double.NaN : 1;
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThatThrownBy(() -> probes.losses("wd", Map.of("train", fine, "test", line), ws))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "minimum wd: the test loss is Infinity on the line of direction 1 at step 2.0; set"
                  + " the longest of --steps smaller");
      assertThatThrownBy(() -> probes.losses("none", Map.of("train", plane, "test", fine), ws))
          .hasMessage(
              "minimum none: the train loss is NaN on the plane at steps -2.0 and 2.0; set the"
                  + " longest of --steps smaller");
    }
  }

  /** A difference of pictures may have either sign; of PCA there is none here. */
  @Test
  void picturesDifferEitherWay() {
    LandscapeFound found = found(3, .01);
    Claim phate = claims(found, "b", "wd against wd-aug", "PHATE").get(0);
    assertThat(phate.value().mean()).isCloseTo(-.10001, within(1e-12));
    assertThat(phate.required()).isEqualTo("without 0");
    assertThat(phate.held()).isTrue();
    assertThat(claims(found, "b", "none against wd", "PHATE").get(0).held()).isTrue();
    assertThat(claims(found, "b", "none against wd", "PCA").get(0).held()).isNull();
  }
}
