// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.analysis.recurrent.Maps.WS;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.analysis.geometry.Phate;
import org.merganser.analysis.recurrent.RepresentationDynamics.Options;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

class RepresentationDynamicsTest {
  private static final double[][] TWO_CLASSES = {{0, 0}, {2, 0}, {10, 0}, {12, 0}};
  private static final int[] LABELS = {0, 0, 1, 1};

  @Test
  void theEffectiveDimensionOfPointsOnTwoAxes() {
    PrincipalComponents found =
        PrincipalComponents.of(Matrix.of(new double[][] {{1, 0}, {-1, 0}, {0, 2}, {0, -2}}), WS);
    assertThat(found.variances()).containsExactly(new double[] {2, .5}, within(1e-12));
    assertThat(found.participationRatio()).isCloseTo(1.47058824, within(1e-8));
    assertThat(found.count(.8)).isEqualTo(1);
    assertThat(found.count(.9)).isEqualTo(2);
    PrincipalComponents none = PrincipalComponents.of(Matrix.zeros(3, 2), WS);
    assertThat(none.participationRatio()).isZero();
    assertThat(none.count(.9)).isZero();
  }

  @Test
  void scatterAndManifoldsOfTwoClasses() {
    ClassGeometry found = ClassGeometry.of(Matrix.of(TWO_CLASSES), LABELS, WS);
    assertThat(found.within()).isCloseTo(1, within(1e-12));
    assertThat(found.between()).isCloseTo(25, within(1e-12));
    assertThat(found.fisher()).isCloseTo(25 / (1 + 5e-7), within(1e-9));
    assertThat(found.radius()).isCloseTo(.2, within(1e-12));
    assertThat(found.dimension()).isCloseTo(1, within(1e-12));
    assertThat(found.centreCorrelation()).isCloseTo(1, within(1e-12));
    Distances distances = Distances.of(Distances.between(Matrix.of(TWO_CLASSES), WS), LABELS);
    assertThat(distances.within()).isCloseTo(2, within(1e-7));
    assertThat(distances.between()).isCloseTo(10, within(1e-7));
    assertThat(distances.silhouette()).isCloseTo((9.0 / 11 + 7.0 / 9) / 2, within(1e-7));
  }

  @Test
  void aClassOfOneSampleHasNoScatter() {
    int[] labels = {0, 0, 0, 1};
    ClassGeometry found = ClassGeometry.of(Matrix.of(TWO_CLASSES), labels, WS);
    assertThat(found.within()).isCloseTo((16 + 4 + 36) / 4.0, within(1e-12));
    // 1 of the first class, 0 of the other one.
    assertThat(found.dimension()).isCloseTo(.5, within(1e-12));
    // 1/2, 1/2 and -7/9 of the first class, 0 of the other one.
    assertThat(Distances.of(Distances.between(Matrix.of(TWO_CLASSES), WS), labels).silhouette())
        .isCloseTo((1 - 7.0 / 9) / 4, within(1e-7));
    // Of 0, and of numbers whose mean over 7 rounds.
    for (double[] state : new double[][] {{0, 0}, {.1, -.3}, {1e5 / 3, 1e-7 / 3}}) {
      double[][] equal = new double[7][];
      Arrays.fill(equal, state);
      int[] classes = {0, 0, 1, 1, 1, 0, 2};
      ClassGeometry same = ClassGeometry.of(Matrix.of(equal), classes, WS);
      assertThat(
              List.of(
                  same.within(),
                  same.between(),
                  same.fisher(),
                  same.radius(),
                  same.dimension(),
                  same.centreCorrelation()))
          .containsOnly(0.0);
      assertThat(PrincipalComponents.of(Matrix.of(equal), WS).participationRatio()).isZero();
    }
  }

  @Test
  void divisionsAreComparedBeyondChance() {
    Partition same = new Partition(new int[] {0, 0, 1, 2}, new int[] {2, 2, 0, 1});
    assertThat(same.adjustedRandIndex()).isEqualTo(1);
    assertThat(same.normalisedInformation()).isCloseTo(1, within(1e-15));
    Partition finer = new Partition(new int[] {0, 0, 1, 1}, new int[] {0, 0, 1, 2});
    assertThat(finer.adjustedRandIndex()).isCloseTo(4.0 / 7, within(1e-15));
    assertThat(finer.normalisedInformation()).isCloseTo(.8, within(1e-12));
    Partition crossed = new Partition(new int[] {0, 0, 1, 1}, new int[] {0, 1, 0, 1});
    assertThat(crossed.adjustedRandIndex()).isCloseTo(-.5, within(1e-15));
    assertThat(crossed.normalisedInformation()).isZero();
  }

  @Test
  void clustersThatAreFarApartAreFound() {
    double[][] points = Maps.states(90, 3, .1, 3);
    int[] cluster = IntStream.range(0, 90).map(i -> i % 3).toArray();
    for (int i = 0; i < 90; i++) {
      points[i][cluster[i]] += 5;
    }
    int[] found = KMeans.clusters(Matrix.of(points), 3, 2, "test", WS);
    assertThat(new Partition(found, cluster).adjustedRandIndex()).isEqualTo(1);
    assertThat(KMeans.clusters(Matrix.zeros(5, 2), 8, 2, "same", WS)).hasSize(5);
  }

  @Test
  void aProbeReadsWhatIsLinearlyThere() {
    double[][] train = Maps.states(200, 5, 1, 1);
    double[][] test = Maps.states(100, 5, 1, 2);
    for (double[][] states : List.of(train, test)) {
      for (double[] state : states) {
        state[4] = 3; // constant
      }
    }
    int[] trainLabels = Arrays.stream(train).mapToInt(h -> h[1] > .2 ? 1 : 0).toArray();
    int[] testLabels = Arrays.stream(test).mapToInt(h -> h[1] > .2 ? 1 : 0).toArray();
    double found =
        RidgeProbe.accuracy(Matrix.of(train), trainLabels, Matrix.of(test), testLabels, .1, WS);
    assertThat(found).isGreaterThan(.93);
  }

  @Test
  void picturesTurnToThoseBefore() {
    double[][] points = Maps.states(20, 2, 1, 4);
    for (double angle : new double[] {.3, 2, -2.5}) {
      for (int sign : new int[] {1, -1}) {
        double[][] turned = new double[20][2];
        for (int i = 0; i < 20; i++) {
          turned[i][0] = Math.cos(angle) * points[i][0] - Math.sin(angle) * points[i][1];
          turned[i][1] = sign * (Math.sin(angle) * points[i][0] + Math.cos(angle) * points[i][1]);
        }
        double[][] back = PrincipalComponents.aligned(turned, points);
        for (int i = 0; i < 20; i++) {
          assertThat(back[i]).containsExactly(points[i], within(1e-12));
        }
      }
    }
  }

  /** Also where states are the same: of digits the first rows are blank. */
  @Test
  void picturesByPhateAreThoseOfPhate() {
    int[] labels = IntStream.range(0, 30).map(i -> i % 2).toArray();
    Matrix readout = Matrix.of(new double[][] {{1, 0, 0}, {0, 1, 0}});
    double[][] states = Maps.states(30, 3, 1, 5);
    for (int i = 0; i < 30; i++) {
      states[i][labels[i]] += 6;
    }
    double[][] some = Maps.states(30, 3, 1, 6);
    Arrays.fill(some, 0, 12, new double[3]);
    Options options = Options.defaults().withPicture(Picture.PHATE);
    try (RepresentationDynamics dynamics =
            new RepresentationDynamics(readout, new double[2], labels, labels, options, WS);
        Matrix between = Distances.between(drawn(states, dynamics), WS)) {
      StepReport blank = dynamics.accept(Matrix.zeros(30, 3), Matrix.zeros(30, 3));
      assertThat(blank.picture()).hasSize(30);
      blank
          .picture()
          .forEach(
              point ->
                  assertThat(point).allSatisfy(x -> assertThat(x).isCloseTo(0, within(1e-12))));
      StepReport step = dynamics.accept(Matrix.of(states), Matrix.of(states));
      double[][] wanted = new Phate(Phate.Options.defaults()).fit(between, WS).points();
      for (int i = 0; i < 30; i++) {
        assertThat(step.picture().get(i)).containsExactly(wanted[i][0], wanted[i][1]);
      }
      // What the classes have apart is what the picture shows.
      double[][] means = new double[2][2];
      for (int i = 0; i < 30; i++) {
        int label = labels[dynamics.kept()[i]];
        means[label][0] += wanted[i][0] / 15;
        means[label][1] += wanted[i][1] / 15;
      }
      assertThat(Math.hypot(means[0][0] - means[1][0], means[0][1] - means[1][1])).isGreaterThan(1);
      StepReport next = dynamics.accept(Matrix.of(some), Matrix.of(some));
      assertThat(next.picture()).allMatch(point -> point.stream().allMatch(Double::isFinite));
      assertThat(next.warnings()).contains("66 pairs of points lie at distance 0");
      assertThat(step.warnings())
          .singleElement()
          .asString()
          .startsWith("the points fall into 2 groups that no walk connects");
    }
    int[] few = {0, 1, 0, 1, 0, 1};
    assertThatThrownBy(
            () -> new RepresentationDynamics(readout, new double[2], labels, few, options, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("pictures by PHATE take 7 test samples, not 6 of which 500 are kept; take PCA");
  }

  private static Matrix drawn(double[][] states, RepresentationDynamics dynamics) {
    return Matrix.of(
        IntStream.of(dynamics.kept()).mapToObj(i -> states[i]).toArray(double[][]::new));
  }

  /** The first of them would be of one class. */
  @Test
  void someOfSamplesSortedByClassAreOfAllClasses() {
    int[] labels = IntStream.range(0, 60).map(i -> i / 20).toArray();
    double[][] states = Maps.states(60, 4, .1, 9);
    for (int i = 0; i < 60; i++) {
      states[i][labels[i]] += 5;
    }
    Options options = new Options(.1, 15, 4, Picture.PCA);
    try (RepresentationDynamics dynamics =
        new RepresentationDynamics(
            Matrix.zeros(3, 4), new double[3], labels, labels, options, WS)) {
      StepReport report = dynamics.accept(Matrix.of(states), Matrix.of(states));
      int[] kept = dynamics.kept();
      assertThat(kept).hasSize(15).doesNotHaveDuplicates();
      assertThat(IntStream.of(kept).map(i -> labels[i]).toArray()).contains(0, 1, 2);
      assertThat(report.silhouette()).isGreaterThan(.8);
      assertThat(report.distanceBetween()).isCloseTo(5 * Math.sqrt(2), within(.3));
      double[][] plane = PrincipalComponents.of(Matrix.of(states), WS).plane(Matrix.of(states), 60);
      for (int i = 0; i < 15; i++) {
        assertThat(report.picture().get(i)).containsExactly(plane[kept[i]][0], plane[kept[i]][1]);
      }
    }
  }

  /** As after the first rows of digits, which are blank. */
  @Test
  void aStepWithoutVarianceIsLikeNone() {
    int[] labels = {0, 1, 0, 1, 0, 1};
    double[][] states = Maps.states(6, 3, 1, 2);
    try (RepresentationDynamics dynamics =
        new RepresentationDynamics(
            Matrix.zeros(2, 3), new double[2], labels, labels, Options.defaults(), WS)) {
      dynamics.accept(Matrix.zeros(6, 3), Matrix.zeros(6, 3));
      dynamics.accept(Matrix.of(states), Matrix.of(states));
      double[][] cka = dynamics.similarity();
      assertThat(List.of(cka[0][0], cka[0][1], cka[1][0])).containsOnly(Double.NaN);
      assertThat(cka[1][1]).isCloseTo(1, within(1e-12));
    }
  }

  /** States of all sequences are those of each alone. */
  @Test
  void orbitsFollowTheMap() {
    RecurrentMap map = RecurrentMap.of(Maps.random(6, 1.2, 1), Nonlinearity.tanh());
    double[][] states = new double[4][6];
    try (Orbits orbits = new Orbits(map.withInputWeights(Maps.random(6, 1, 2)), 4, WS)) {
      double[][] inputs = Maps.states(4, 6, 1, 7);
      Matrix found = orbits.advance(Matrix.of(inputs));
      for (int i = 0; i < 4; i++) {
        states[i] = map.withInputWeights(Maps.random(6, 1, 2)).with(inputs[i]).apply(states[i]);
        assertThat(found.row(i)).containsExactly(states[i], within(1e-13));
      }
      Matrix drifted = orbits.drift();
      for (int i = 0; i < 4; i++) {
        assertThat(drifted.row(i)).containsExactly(map.apply(states[i]), within(1e-13));
      }
      inputs[2][3] = Double.NaN;
      assertThatThrownBy(() -> orbits.advance(Matrix.of(inputs)))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "the state after step 3 of sample 2 is NaN in unit 0; check weights and inputs");
    }
    assertThatThrownBy(() -> new Orbits(map, 0, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no sequences: the number of samples is 0");
  }

  @Test
  void everyStepIsMeasured() {
    int[] labels = IntStream.range(0, 40).map(i -> i % 2).toArray();
    Matrix readout = Matrix.of(new double[][] {{1, 0, 0}, {0, 1, 0}});
    List<StepReport> reports = new ArrayList<>();
    try (RepresentationDynamics dynamics =
        new RepresentationDynamics(
            readout, new double[2], labels, labels, Options.defaults(), WS)) {
      assertThatThrownBy(dynamics::similarity).isInstanceOf(IllegalStateException.class);
      for (int step = 0; step < 3; step++) {
        double[][] states = Maps.states(40, 3, .2, step);
        for (int i = 0; i < 40; i++) {
          states[i][labels[i]] += step;
        }
        reports.add(dynamics.accept(Matrix.of(states), Matrix.of(states)));
      }
      double[][] cka = dynamics.similarity();
      assertThat(cka).hasDimensions(3, 3);
      assertThat(cka[1][1]).isCloseTo(1, within(1e-12));
      assertThat(cka[1][2]).isEqualTo(cka[2][1], within(1e-12)).isGreaterThan(.5);
      Matrix bad = Matrix.zeros(40, 3);
      bad.set(7, 1, Double.NaN);
      assertThatThrownBy(() -> dynamics.accept(Matrix.zeros(40, 3), bad))
          .isInstanceOf(NumericalException.class)
          .hasMessage("the test state of step 4, sample 7 is NaN in unit 1");
      assertThatThrownBy(() -> dynamics.accept(Matrix.zeros(3, 3), bad))
          .isInstanceOf(ShapeException.class)
          .hasMessage("training states of step 4 are a 3 x 3 F64 matrix, needed 40 x 3");
    }
    StepReport last = reports.get(2);
    assertThat(last.step()).isEqualTo(3);
    assertThat(List.of(last.readout(), last.probe(), last.adjustedRand())).containsOnly(1.0);
    assertThat(last.ratio()).isGreaterThan(reports.get(0).ratio());
    assertThat(last.picture()).hasSize(40);
    assertThat(reports.get(0).readout()).isLessThan(.8);
  }

  @Test
  void whatCannotBeIsSaid() {
    Matrix readout = Matrix.zeros(2, 3);
    int[] one = {0};
    assertThatThrownBy(
            () ->
                new RepresentationDynamics(
                    readout, new double[2], one, new int[0], Options.defaults(), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no samples: 1 to fit probes on, 0 to test them with");
    assertThatThrownBy(
            () ->
                new RepresentationDynamics(
                    readout, new double[2], one, new int[] {2}, Options.defaults(), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label 2 of a readout of 2 classes");
  }

  @Test
  void whatIsOverNothingIsInfinite() {
    double[][] points = {{1, 0}, {1, 0}, {-1, 0}, {-1, 0}};
    ClassGeometry found = ClassGeometry.of(Matrix.of(points), LABELS, WS);
    assertThat(found.within()).isZero();
    assertThat(found.between()).isEqualTo(1);
    assertThat(found.fisher()).isInfinite();
    assertThat(ClassGeometry.ratio(found.between(), found.within())).isInfinite();
    assertThat(found.radius()).isZero();
    // Both classes have the mean of all.
    double[][] crossed = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
    ClassGeometry around = ClassGeometry.of(Matrix.of(crossed), LABELS, WS);
    assertThat(around.radius()).isInfinite();
    assertThat(around.fisher()).isZero();
  }

  /** States of 0 have no inverse without a penalty. */
  @Test
  void aProbeHasAPenalty() {
    assertThatThrownBy(() -> new Options(0, 10, 1, Picture.PCA))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("lambda");
  }
}
