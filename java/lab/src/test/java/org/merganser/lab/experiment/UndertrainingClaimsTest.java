// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.lab.experiment.ExpertPoint.Merged;
import org.merganser.lab.experiment.UndertrainingClaims.Claim;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;

/** Each claim on figures made by hand, where it holds, where it does not, and for one seed. */
class UndertrainingClaimsTest {
  private static final String TIES = "ties";
  private static final ExpertMethods TRIED = ExpertMethods.of("ties:lambda=1/1.5/2", 2, 0);
  private static final List<Integer> STEPS = List.of(4, 8, 16);

  /** Of more seeds than most ask for. */
  private static final List<TaskScores> BASE =
      IntStream.range(0, 5).mapToObj(seed -> scores(0.4, 0.5 + 0.01 * seed, 0.9, 0.05)).toList();

  /** Two tasks: the accuracy and one point less and more. */
  private static TaskScores scores(double heldOut, double test, double easy, double hard) {
    List<Double> deciles = new ArrayList<>(Collections.nCopies(10, 0.5));
    for (int i = 0; i < 2; i++) {
      deciles.set(i, easy);
      deciles.set(9 - i, hard);
    }
    List<Double> both = List.of(test - 0.01, test + 0.01);
    return new TaskScores(List.of(heldOut, heldOut), both, both, List.of(), deciles);
  }

  private static ExpertPoint point(
      int steps,
      double expert,
      double expertHard,
      double heldOut,
      double merged,
      double more,
      String chosen) {
    Merged one =
        new Merged(
            chosen, scores(heldOut, merged, 0.97 + more, 0.1 + more), Collections.nCopies(10, 0.2));
    return new ExpertPoint(
        List.of((long) steps, (long) steps),
        scores(expert, expert, 1, expertHard),
        List.of(1.0, 2.0),
        0.1,
        0.5,
        0.6,
        Map.of(TIES, one));
  }

  /** Experts get better until the end; merged models are best at 8 steps, said so or not. */
  private static ExpertCurves curves(double noise, boolean saysSo, int seeds) {
    return curves(noise, saysSo, seeds, 0.001);
  }

  /**
   * @param apart what two seeds differ by
   */
  private static ExpertCurves curves(double noise, boolean saysSo, int seeds, double apart) {
    List<List<ExpertPoint>> points =
        List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    List<ExpertPoint> stopped = new ArrayList<>();
    for (int seed = 0; seed < seeds; seed++) {
      double more = apart * seed;
      points
          .get(0)
          .add(point(4, 0.60 + more, 0.1, 0.5, 0.55, more, "density=0.2,lambda=" + (2 + more)));
      points.get(1).add(point(8, 0.62 + more, 0.5, saysSo ? 0.6 : 0.4, 0.58, more, "lambda=1.5"));
      points.get(2).add(point(16, 0.65 + more, 1 - more, 0.45, 0.54 + more, more, "lambda=1"));
      stopped.add(point(9, 0.62, 0.5, 0.5, 0.56 + 2 * more, more, "lambda=1"));
    }
    return new ExpertCurves(noise, "full", BASE.subList(0, seeds), STEPS, points, stopped, TRIED);
  }

  private static Claim claim(List<Claim> claims, String id, int index) {
    return claims.stream().filter(c -> c.claim().equals(id)).toList().get(index);
  }

  @Test
  void whatHoldsIsHeld() {
    List<Claim> claims = UndertrainingClaims.of(List.of(curves(0, true, 3)));
    // All doublings are 1: of whole numbers that is no width of an interval.
    assertThat(claim(claims, "a", 0).verdict()).isEqualTo("no spread");
    assertThat(claims)
        .filteredOn(c -> !c.claim().equals("a"))
        .allSatisfy(c -> assertThat(c.verdict()).as(c.toString()).isEqualTo("held"));
    assertThat(claim(claims, "a", 0).value().pairs()).containsExactly(1.0, 1.0, 1.0);
    assertThat(claim(claims, "b", 0).value().mean()).isCloseTo(0.039, within(1e-12));
    assertThat(claim(claims, "c", 0).value().mean()).isCloseTo(0.999, within(1e-12));
    assertThat(claim(claims, "c", 1).value().mean()).isCloseTo(0.101, within(1e-12));
    assertThat(claim(claims, "c", 2).value().mean()).isCloseTo(0.971, within(1e-12));
    assertThat(claim(claims, "d", 0).value().mean()).isCloseTo(-0.5005, within(1e-12));
    assertThat(claim(claims, "e", 0).value().mean()).isCloseTo(0.021, within(1e-12));
  }

  /** All that is not whole may be the same for every seed, all examples right for one. */
  @Test
  void equalNumbersAreOnOneSideOfTheBound() {
    List<Claim> claims = UndertrainingClaims.of(List.of(curves(0, true, 5, 0)));
    assertThat(claim(claims, "c", 0).value().pairs()).containsOnly(1.0).hasSize(5);
    assertThat(claims)
        .allSatisfy(
            c ->
                assertThat(c.verdict())
                    .as(c.toString())
                    .isEqualTo(c.claim().equals("a") ? "no spread" : "held"));
  }

  /** Nor is what only rounding puts beyond it. */
  @Test
  void equalNumbersAtTheBoundAreNotHeld() {
    List<ExpertPoint> last =
        Collections.nCopies(5, point(16, 0.65, 0.9, 0.6, 0.5, 0, "lambda=0.3"));
    List<ExpertPoint> first = Collections.nCopies(5, point(4, 0.6, 0.9, 0.5, 0.5, 0, "lambda=0.3"));
    List<List<ExpertPoint>> points = List.of(first, first, last);
    ExpertCurves flat = new ExpertCurves(0, "full", BASE, STEPS, points, last, TRIED);
    List<Claim> claims = UndertrainingClaims.of(List.of(flat));
    assertThat(claim(claims, "b", 0).verdict()).isEqualTo("not held");
    assertThat(claim(claims, "c", 0).verdict()).isEqualTo("not held");
    assertThat(claim(claims, "d", 0).verdict()).isEqualTo("not held");
    assertThat(claim(claims, "e", 0).verdict()).isEqualTo("not held");
  }

  /** A peak of test examples that held-out examples do not show is none. */
  @Test
  void aPeakIsTakenByHeldOutExamples() {
    List<Claim> claims = UndertrainingClaims.of(List.of(curves(0, false, 3)));
    // The first length is best on held-out examples.
    assertThat(claim(claims, "b", 0).value().mean()).isCloseTo(0.009, within(1e-12));
    assertThat(claim(claims, "b", 0).held()).isTrue();
    assertThat(claim(claims, "a", 0).value().mean()).isEqualTo(1);
  }

  /** Experts on wrong labels are compared with those on right ones. */
  @Test
  void expertsOnRightLabelsAreTheMeasure() {
    ExpertCurves noisy = curves(0.2, true, 2);
    ExpertCurves clean =
        new ExpertCurves(
            0,
            "full",
            BASE,
            List.of(4, 8, 32),
            curves(0, true, 2).points(),
            curves(0, true, 2).stopped(),
            TRIED);
    List<Claim> claims = UndertrainingClaims.of(List.of(clean, noisy));
    Claim second = claim(claims, "a", 1);
    assertThat(second.noise()).isEqualTo(0.2);
    assertThat(second.value().pairs()).containsExactly(2.0, 2.0);
  }

  /** It is that of the method without weights, and would be told twice. */
  @Test
  void theLambdaBesideWeightsIsNoClaim() {
    ExpertCurves plain = curves(0, true, 2);
    List<List<ExpertPoint>> points =
        plain.points().stream()
            .map(seeds -> seeds.stream().map(UndertrainingClaimsTest::weighed).toList())
            .toList();
    ExpertCurves both = new ExpertCurves(0, "full", BASE, STEPS, points, List.of(), TRIED);
    List<Claim> claims = UndertrainingClaims.of(List.of(both));
    assertThat(claims.stream().filter(c -> c.claim().equals("d")).map(Claim::method))
        .containsExactly(TIES);
    assertThat(claims.stream().filter(c -> c.claim().equals("b")).map(Claim::method))
        .containsExactlyInAnyOrder(TIES, TIES + ExpertMerging.WEIGHTS);
  }

  private static ExpertPoint weighed(ExpertPoint of) {
    Merged one = of.merged(TIES);
    Merged more = new Merged(one.chosen() + ",weights=1.0:0.5", one.scores(), one.forgotten());
    return new ExpertPoint(
        of.steps(),
        of.experts(),
        of.distance(),
        of.cosine(),
        of.signConflict(),
        of.kept(),
        Map.of(TIES, one, TIES + ExpertMerging.WEIGHTS, more));
  }

  @Test
  void oneSeedDecidesNothing() {
    assertThat(UndertrainingClaims.of(List.of(curves(0, true, 1))))
        .isNotEmpty()
        .allSatisfy(c -> assertThat(c.verdict()).isEqualTo("one seed"));
  }

  @Test
  void twoSeedsDecideNothing() {
    assertThat(UndertrainingClaims.of(List.of(curves(0, true, 2))))
        .allSatisfy(c -> assertThat(c.verdict()).isEqualTo("two seeds"));
  }

  /** What experts on right labels would be best at is not known. */
  @Test
  void withoutRightLabelsThereIsNoClaimA() {
    assertThat(UndertrainingClaims.of(List.of(curves(0.2, true, 3))))
        .extracting(Claim::claim)
        .contains("b", "c", "d", "e")
        .doesNotContain("a");
  }

  /** A lambda beside several densities is none that was chosen. */
  @Test
  void oneLambdaIsNoChoice() {
    ExpertCurves of = curves(0, true, 3);
    ExpertMethods densities = ExpertMethods.of("ties:density=0.2/0.5,lambda=1", 2, 0);
    ExpertCurves one =
        new ExpertCurves(0, "full", BASE, STEPS, of.points(), of.stopped(), densities);
    assertThat(UndertrainingClaims.of(List.of(one))).extracting(Claim::claim).doesNotContain("d");
    assertThat(UndertrainingRows.of(one).get(1).by(TIES).lambda()).isNull();
  }

  /** Of a single setting it is named by the id alone. */
  @Test
  void examplesAreToldOfByTaskArithmetic() {
    ExpertPoint p = curves(0, true, 1).points().get(0).get(0);
    Map<String, Merged> merged = new LinkedHashMap<>();
    merged.put("linear", p.merged(TIES));
    merged.put("task-arithmetic", p.merged(TIES));
    ExpertPoint two = with(p, p.cosine(), merged);
    ExpertMethods methods = ExpertMethods.of("linear,task-arithmetic:lambda=0.3", 2, 0);
    ExpertCurves of =
        new ExpertCurves(0, "full", BASE, List.of(4), List.of(List.of(two)), List.of(), methods);
    assertThat(of.difficultyMethod()).isEqualTo("task-arithmetic");
    assertThat(claim(UndertrainingClaims.of(List.of(of)), "c", 1).method())
        .isEqualTo("task-arithmetic");
  }

  /** By what is tried, not by names, of which a method of one setting has the id alone. */
  @Test
  void oneRowOfAClaimIsPrimaryAndOneSecond() {
    String both = "linear,task-arithmetic:lambda=0.3,task-arithmetic:lambda=0.1/0.3,";
    assertStanding(both + "ties:lambda=1/2", "task-arithmetic:lambda=0.3", "ties");
    assertStanding(
        "task-arithmetic:lambda=0.7,task-arithmetic:lambda=0.3", "task-arithmetic:lambda=0.3");
    assertStanding("task-arithmetic:lambda=0.30,ties:lambda=1", "task-arithmetic");
    assertStanding("task-arithmetic:lambda=0.1/0.3,ties:lambda=1/2", null, "ties");
    assertStanding("task-arithmetic:lambda=0.4,ties:density=0.1/0.2", null);
    assertStanding("task-arithmetic:lambda=0.3,weights=1:2", null);
  }

  private static void assertStanding(String texts, String primary, String... second) {
    ExpertMethods methods = ExpertMethods.of(texts, 2, 0);
    ExpertPoint p = curves(0, true, 1).points().get(0).get(0);
    Map<String, Merged> merged = new LinkedHashMap<>();
    methods.named().keySet().forEach(method -> merged.put(method, p.merged(TIES)));
    List<ExpertPoint> one = List.of(with(p, p.cosine(), merged));
    ExpertCurves of = new ExpertCurves(0, "full", BASE, List.of(4), List.of(one), one, methods);
    List<Claim> claims = UndertrainingClaims.of(List.of(of));
    for (String id : List.of("a", "b", "c", "e")) {
      List<Claim> same = claims.stream().filter(c -> c.claim().equals(id)).toList();
      boolean any = !id.equals("c") && primary != null;
      assertThat(same.stream().filter(c -> c.standing().equals("primary")).map(Claim::method))
          .as(id + " of " + texts)
          .containsExactlyElementsOf(any ? List.of(primary) : List.of());
      assertThat(same.stream().filter(c -> c.standing().equals("second")).map(Claim::method))
          .as(id + " of " + texts)
          .containsExactlyElementsOf(id.equals("c") ? List.of() : List.of(second));
    }
  }

  private static ExpertPoint with(ExpertPoint p, Double cosine, Map<String, Merged> merged) {
    return new ExpertPoint(
        p.steps(), p.experts(), p.distance(), cosine, p.signConflict(), p.kept(), merged);
  }

  /** Seeds whose experts stopped at the base have no cosine; the others still have a mean. */
  @Test
  void whatASeedDoesNotHaveIsLeftOut() throws IOException {
    ExpertCurves of = curves(0, true, 3);
    List<ExpertPoint> stopped = new ArrayList<>(of.stopped());
    stopped.set(1, with(stopped.get(1), Double.NaN, stopped.get(1).merged()));
    ExpertCurves some = new ExpertCurves(0, "full", BASE, STEPS, of.points(), stopped, TRIED);
    Measured cosine = UndertrainingRows.of(some).get(4).cosine();
    assertThat(cosine.mean()).isEqualTo(0.1);
    assertThat(cosine.leftOut()).isEqualTo(1);
    assertThat(cosine.text("%.1f")).isEqualTo("0.1 [0.1, 0.1] (1 left out)");
    assertThat(Json.text(stopped.get(1))).doesNotContain("cosine", "NaN");
    assertThat(Json.convert(Json.convert(stopped.get(1), Map.class), ExpertPoint.class))
        .isEqualTo(stopped.get(1));
    Measured none = Measured.known(Collections.nCopies(2, null));
    assertThat(none.text("%.1f")).isEqualTo("- (2 left out)");
    assertThat(Json.text(none)).isEqualTo("{\"pairs\":[],\"leftOut\":2}");
    assertThat(Json.text(Measured.of(List.of(1.0)))).doesNotContain("leftOut");
  }

  /** An expert that is never right has no quotient. */
  @Test
  void nothingIsRelativeToNothing() {
    TaskScores never =
        new TaskScores(List.of(), List.of(0.0, 0.5), List.of(), List.of(), List.of());
    assertThat(never.relativeTo(never)).isNull();
  }

  @Test
  void ofEqualLengthsTheShortestIsBest() {
    assertThat(curves(0, true, 1).best(0, p -> 1)).isZero();
  }

  /** What is relative is the mean over tasks of quotients, not the quotient of means. */
  @Test
  void relativeAccuraciesAreMeansOfQuotients() {
    TaskScores merged =
        new TaskScores(List.of(), List.of(0.4, 0.3), List.of(), List.of(), List.of());
    TaskScores expert =
        new TaskScores(List.of(), List.of(0.8, 0.4), List.of(), List.of(), List.of());
    assertThat(merged.relativeTo(expert)).isCloseTo((0.5 + 0.75) / 2, within(1e-15));
  }

  @Test
  void rowsNameEveryLengthAndMethod() {
    ExpertCurves curves = curves(0.2, true, 2);
    assertThat(UndertrainingRows.accuracies(List.of(curves)).get(1))
        .hasEntrySatisfying(
            "noise-0.2-full-stopped+ties", a -> assertThat(a).isCloseTo(0.562, within(1e-12)))
        .containsKeys("noise-0.2-full-16", "noise-0.2-full-16+ties")
        .hasEntrySatisfying("noise-0.2-base", a -> assertThat(a).isCloseTo(0.51, within(1e-12)))
        .hasSize(9);
    assertThat(UndertrainingRows.differences(List.of(curves)))
        .extracting(d -> d.method() + " - " + d.than())
        .containsExactly(
            "noise-0.2-full-stopped - noise-0.2-full-16",
            "noise-0.2-full-stopped+ties - noise-0.2-full-16+ties");
    UndertrainingRows.Experts last = UndertrainingRows.of(curves).get(3);
    assertThat(last.by(TIES).lambda().mean()).isEqualTo(1);
    // The best experts by held-out examples are the longest here.
    assertThat(last.relative().mean()).isCloseTo(1, within(1e-12));
  }

  /** What experts begin with stands before them, once for all forms. */
  @Test
  void theBaseIsTheFirstRow() {
    ExpertCurves curves = curves(0.2, true, 2);
    List<ExperimentResult.Row> rows = UndertrainingRows.rows(List.of(curves, curves));
    assertThat(rows).hasSize(17);
    assertThat(rows.get(0).method()).isEqualTo("noise-0.2-base");
    assertThat(rows.get(0).accuracy()).isCloseTo(0.505, within(1e-12));
    List<UndertrainingRows.Experts> all = UndertrainingRows.of(curves);
    assertThat(all)
        .extracting(UndertrainingRows.Experts::length)
        .containsExactly("base", "4", "8", "16", "stopped");
    UndertrainingRows.Experts base = all.get(0);
    assertThat(base.steps().mean()).isZero();
    assertThat(base.accuracy().mean()).isCloseTo(0.505, within(1e-12));
    assertThat(base.hard().mean()).isCloseTo(0.05, within(1e-12));
    // By hand: (0.49 / 0.64 + 0.51 / 0.66) / 2, and 0.50 / 0.641, 0.52 / 0.661.
    double first = (0.49 / 0.64 + 0.51 / 0.66) / 2;
    double second = (0.50 / 0.641 + 0.52 / 0.661) / 2;
    assertThat(base.relative().mean()).isCloseTo((first + second) / 2, within(1e-12));
    assertThat(base.merged()).isEmpty();
  }

  /** In the picture of accuracies the base is a line, and those that ended early are points. */
  @Test
  void tablesShowTheBaseAndThoseThatEndedEarly() {
    Section<?> section =
        UndertrainingCharts.sections(List.of(curves(0, true, 3)), List.of()).stream()
            .filter(one -> one.id().equals("curves-noise-0.0-full"))
            .findFirst()
            .orElseThrow();
    assertThat(section.columns().get(0).cells())
        .containsExactly("base", "4", "8", "16", "stopped (9)");
    assertThat(section.columns().get(1).cells().get(0)).startsWith("51.0 [");
    assertThat(section.columns().get(2).cells().get(0)).isEmpty();
    assertThat(section.columns().get(2).cells().get(4)).startsWith("56.2 [");
    // The base, experts and what is merged; points of the latter two that ended early.
    assertThat(((Chart.Lines) section.charts().get(0)).size()).isEqualTo(5);
  }
}
