// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/**
 * What is said of experts trained for long, each put as a number of every seed, of which the 95 %
 * interval decides: the claims of "Less is More" (arXiv 2506.14126) at this scale.
 *
 * <p>In (b) the best length is taken by held-out examples and what is said of it told by test
 * examples, so that no maximum over noise counts as a peak. In (a) both lengths are where test
 * accuracy is greatest: noise moves either, and its part is in the interval only.
 *
 * <p>Of (a), (b) and (e), which are told of every method, the row of one method is primary and that
 * of another second, here in code and so before what this version runs; of many others some hold by
 * chance.
 */
final class UndertrainingClaims {
  private static final double LEAST_FALL = 0.005;
  private static final double HARD_EXPERT = 0.9;
  private static final double HARD_MERGED = 0.3;
  private static final double EASY_MERGED = 0.95;

  private static final int FEWEST_SEEDS = 3;
  private static final double ROUNDING = 1e-12;

  static final String PRIMARY = "primary";
  static final String SECOND = "second";

  /** Claims of which one row is primary. */
  private static final Set<String> OF_EVERY_METHOD = Set.of("a", "b", "e");

  /** The claim about whole numbers. */
  private static final String WHOLE = "a";

  private UndertrainingClaims() {}

  /**
   * A claim about some experts.
   *
   * @param claim (a) to (e)
   * @param text what was measured
   * @param noise part of wrong labels
   * @param experts their form
   * @param method of merging; empty where there is none
   * @param value seed by seed, with the interval of the mean
   * @param required of the interval, in words
   * @param held whether the interval is where the claim puts it; null without a verdict: of one or
   *     two seeds, and in (a) where all have the same number, as whole ones easily do
   * @param standing {@value UndertrainingClaims#PRIMARY} where this row answers the claim for such
   *     experts, {@value UndertrainingClaims#SECOND} where it is looked at next; else empty
   */
  record Claim(
      String claim,
      String text,
      double noise,
      String experts,
      String method,
      Measured value,
      String required,
      Boolean held,
      String standing) {

    String verdict() {
      if (held != null) {
        return held ? "held" : "not held";
      }
      return switch (value.pairs().size()) {
        case 1 -> "one seed";
        case 2 -> "two seeds";
        default -> "no spread";
      };
    }
  }

  /** All of all curves. */
  static List<Claim> of(List<ExpertCurves> all) {
    List<Claim> claims = new ArrayList<>();
    for (ExpertCurves curves : all) {
      ExpertCurves clean =
          all.stream()
              .filter(c -> c.noise() == 0 && c.form().equals(curves.form()))
              .findFirst()
              .orElse(null);
      claims.addAll(of(curves, clean));
    }
    return claims;
  }

  /**
   * @param clean experts on right labels; null where there are none, and no claim (a)
   */
  private static List<Claim> of(ExpertCurves curves, ExpertCurves clean) {
    List<Claim> claims = new ArrayList<>();
    for (String method : curves.methods()) {
      ToDoubleFunction<ExpertPoint> test = p -> p.merged(method).scores().meanTest();
      ToDoubleFunction<ExpertPoint> heldOut = p -> p.merged(method).scores().meanHeldOut();
      if (clean != null) {
        claims.add(doublings(curves, clean, method));
      }
      claims.add(
          above(
              curves,
              "b",
              "accuracy merged at the length best on held-out examples less that at the greatest",
              method,
              LEAST_FALL,
              curves.each(
                  seed ->
                      test.applyAsDouble(curves.point(curves.best(seed, heldOut), seed))
                          - test.applyAsDouble(curves.last(seed)))));
    }
    claims.addAll(difficulty(curves));
    claims.addAll(lambdas(curves));
    claims.addAll(stopped(curves));
    return claims;
  }

  private static Claim doublings(ExpertCurves curves, ExpertCurves clean, String method) {
    return above(
        curves,
        WHOLE,
        "doublings from the best length of merged models to that of experts on right labels",
        method,
        0,
        curves.each(
            seed ->
                log2(clean.steps().get(clean.best(seed, p -> p.experts().meanTest())))
                    - log2(
                        curves
                            .steps()
                            .get(curves.best(seed, p -> p.merged(method).scores().meanTest())))));
  }

  private static List<Claim> difficulty(ExpertCurves curves) {
    List<Claim> claims = new ArrayList<>();
    String method = curves.difficultyMethod();
    claims.add(
        above(
            curves,
            "c",
            "accuracy of the longest experts on their hardest fifth",
            "",
            HARD_EXPERT,
            curves.each(seed -> curves.last(seed).experts().hard())));
    claims.add(
        below(
            curves,
            "c",
            "accuracy merged on the hardest fifth",
            method,
            HARD_MERGED,
            curves.each(seed -> curves.last(seed).merged(method).scores().hard())));
    claims.add(
        above(
            curves,
            "c",
            "accuracy merged on the easiest fifth",
            method,
            EASY_MERGED,
            curves.each(seed -> curves.last(seed).merged(method).scores().easy())));
    return claims;
  }

  private static List<Claim> lambdas(ExpertCurves curves) {
    List<Claim> claims = new ArrayList<>();
    for (String method : curves.methods()) {
      // Weights are chosen after lambda, which is that of the method without them.
      boolean chosen = !method.endsWith(ExpertMerging.WEIGHTS) && curves.choosesLambda(method);
      if (chosen && curves.steps().size() > 1) {
        claims.add(
            below(
                curves,
                "d",
                "slope of the best lambda per doubling of the steps",
                method,
                0,
                curves.each(seed -> slope(curves, seed, method))));
      }
    }
    return claims;
  }

  /** Of the line of least squares over the logarithm of steps. */
  private static double slope(ExpertCurves curves, int seed, String method) {
    double meanX =
        curves.steps().stream().mapToDouble(UndertrainingClaims::log2).average().orElse(0);
    double xy = 0;
    double xx = 0;
    for (int length = 0; length < curves.steps().size(); length++) {
      double x = log2(curves.steps().get(length)) - meanX;
      xy += x * curves.point(length, seed).merged(method).lambda();
      xx += x * x;
    }
    return xy / xx;
  }

  private static List<Claim> stopped(ExpertCurves curves) {
    List<Claim> claims = new ArrayList<>();
    if (!curves.stopped().isEmpty()) {
      for (String method : curves.methods()) {
        claims.add(
            above(
                curves,
                "e",
                "accuracy merged of experts that ended early less that of the longest",
                method,
                0,
                curves.each(
                    seed ->
                        curves.stopped().get(seed).merged(method).scores().meanTest()
                            - curves.last(seed).merged(method).scores().meanTest())));
      }
    }
    return claims;
  }

  private static double log2(int steps) {
    return Math.log(steps) / Math.log(2);
  }

  private static Claim above(
      ExpertCurves of, String id, String text, String method, double bound, List<Double> values) {
    Measured value = Measured.of(values);
    Boolean held = decides(id, value) ? (Boolean) (value.low() > bound + ROUNDING) : null;
    return claim(of, id, text, method, value, "above " + number(bound), held);
  }

  private static Claim below(
      ExpertCurves of, String id, String text, String method, double bound, List<Double> values) {
    Measured value = Measured.of(values);
    Boolean held = decides(id, value) ? (Boolean) (value.high() < bound - ROUNDING) : null;
    return claim(of, id, text, method, value, "below " + number(bound), held);
  }

  /** Equal whole numbers say nothing of how far the next seed lies; others are the interval. */
  private static boolean decides(String claim, Measured value) {
    DoubleSummaryStatistics all =
        value.pairs().stream().mapToDouble(Double::doubleValue).summaryStatistics();
    boolean spread = !claim.equals(WHOLE) || all.getMax() - all.getMin() > ROUNDING;
    return all.getCount() >= FEWEST_SEEDS && spread;
  }

  private static String number(double bound) {
    return bound == 0 ? "0" : String.format(Locale.ROOT, "%s", bound);
  }

  private static Claim claim(
      ExpertCurves of,
      String id,
      String text,
      String method,
      Measured value,
      String required,
      Boolean held) {
    String standing = OF_EVERY_METHOD.contains(id) ? standing(of.tried(), method) : "";
    return new Claim(id, text, of.noise(), of.form(), method, value, required, held, standing);
  }

  private static String standing(ExpertMethods tried, String method) {
    return method.equals(tried.primary()) ? PRIMARY : method.equals(tried.second()) ? SECOND : "";
  }
}
