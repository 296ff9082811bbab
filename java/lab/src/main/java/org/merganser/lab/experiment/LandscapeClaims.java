// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What the paper says, each as a number of every seed of which the 95 % interval decides: (a)
 * jump-and-retrain samples tell more of generalisation than samples on lines and planes, (b) the
 * pictures of good and bad minima differ, (c) persistence turns that into numbers.
 */
final class LandscapeClaims {
  /** Added to persistence in logarithms, for landscapes that have none. */
  static final double LEAST = 1e-6;

  /** Of numbers that are equal but for it. */
  private static final double ROUNDING = 1e-12;

  private static final String GROUPS = "groups no walk connects";

  /** A graph that depends on the order of the samples: so do its totals. */
  private static final String TIES = "ties";

  /** Numbers that are all one: they rank nothing, and say nothing of how far another seed lies. */
  private static final String SPREAD = "no spread";

  /** Totals of which most are none: a ratio is that of what is added to them. */
  private static final String NONE = "mostly 0";

  private LandscapeClaims() {}

  /**
   * A claim.
   *
   * @param claim (a) to (c)
   * @param text what was measured
   * @param between what is compared
   * @param by which number
   * @param value seed by seed, with the interval of the mean
   * @param required of the interval, in words
   * @param held whether the interval is where the claim puts it; null without a verdict
   * @param undecided why there is no verdict; null where there is one
   * @param primary whether this row answers the claim, which was chosen before any run; all others
   *     are secondary
   */
  record Claim(
      String claim,
      String text,
      String between,
      String by,
      Measured value,
      String required,
      Boolean held,
      String undecided,
      boolean primary) {

    String verdict() {
      return held == null ? undecided : held ? "held" : "not held";
    }
  }

  /** A bad minimum and the good one that it differs from in one thing. */
  private record Contrast(LandscapeMinimum bad, LandscapeMinimum good) {
    String text() {
      return bad.id() + " against " + good.id();
    }
  }

  /** Of the primary rows: both are trained on right labels, with weight decay. */
  private static final Contrast PRIMARY =
      new Contrast(LandscapeMinimum.WD, LandscapeMinimum.WD_AUG);

  private static final List<Contrast> CONTRASTS =
      List.of(
          PRIMARY,
          new Contrast(LandscapeMinimum.NONE, LandscapeMinimum.WD),
          new Contrast(LandscapeMinimum.LABELS_50, LandscapeMinimum.NONE),
          new Contrast(LandscapeMinimum.LABELS_100, LandscapeMinimum.NONE));

  /** All that the minima allow. */
  static List<Claim> of(LandscapeFound found) {
    List<Contrast> contrasts =
        CONTRASTS.stream().filter(c -> found.has(c.bad()) && found.has(c.good())).toList();
    List<Claim> claims = new ArrayList<>();
    if (found.minima().size() >= LandscapeRanks.FEWEST) {
      claims.addAll(information(found));
    }
    contrasts.forEach(contrast -> claims.addAll(pictures(found, contrast)));
    contrasts.forEach(contrast -> claims.addAll(numbers(found, contrast)));
    return claims;
  }

  /** Total persistence, as it is told everywhere. */
  static ToDoubleFunction<Landscape> total(
      LandscapeSampling samples, String rule, String loss, boolean byRange) {
    return landscape -> landscape.valleys(samples, rule, loss).total(byRange);
  }

  private static List<Claim> information(LandscapeFound found) {
    List<Claim> claims = new ArrayList<>();
    for (LandscapeSampling own :
        List.of(LandscapeSampling.RETRAINED, LandscapeSampling.RETRAINED_EUCLIDEAN)) {
      for (LandscapeSampling other : List.of(LandscapeSampling.LINES, LandscapeSampling.PLANE)) {
        for (String rule : LandscapeTopology.RULES) {
          for (boolean byRange : List.of(false, true)) {
            List<Double> mine = LandscapeRanks.bySeed(found, total(own, rule, "test", byRange));
            List<Double> theirs = LandscapeRanks.bySeed(found, total(other, rule, "test", byRange));
            claims.add(
                above(
                    "a",
                    "rank correlation of total persistence with the test gap, less that of other"
                        + " samples",
                    own.text() + " less " + other.text(),
                    by(rule, "test", byRange),
                    less(mine, theirs),
                    unranked(found, List.of(own, other), rule, byRange),
                    own == LandscapeSampling.RETRAINED
                        && other == LandscapeSampling.LINES
                        && primary(rule, "test", byRange)));
          }
        }
      }
    }
    return claims;
  }

  private static List<Claim> pictures(LandscapeFound found, Contrast contrast) {
    // How far groups that no walk connects lie apart in the picture says nothing.
    boolean groups =
        Stream.of(contrast.bad(), contrast.good())
            .flatMap(minimum -> found.of(minimum).stream())
            .anyMatch(landscape -> landscape.phate().components() > 1);
    List<Double> phate = less(found, contrast, landscape -> landscape.phate().together());
    List<Double> pca = less(found, contrast, landscape -> landscape.pca().together());
    return List.of(
        apart(contrast, "PHATE", phate, groups ? GROUPS : null, contrast.equals(PRIMARY)),
        apart(contrast, "PCA", pca, null, false));
  }

  private static List<Claim> numbers(LandscapeFound found, Contrast contrast) {
    List<Claim> claims = new ArrayList<>();
    for (String rule : LandscapeTopology.RULES) {
      for (String loss : LandscapeTopology.LOSSES) {
        for (boolean byRange : List.of(false, true)) {
          ToDoubleFunction<Landscape> total =
              total(LandscapeSampling.RETRAINED, rule, loss, byRange);
          ToDoubleFunction<Landscape> log = l -> Math.log10(total.applyAsDouble(l) + LEAST);
          claims.add(
              above(
                  "c",
                  "decimal logarithm of the ratio of total persistence",
                  contrast.text(),
                  by(rule, loss, byRange),
                  less(found, contrast, log),
                  incomparable(found, contrast, rule, total),
                  contrast.equals(PRIMARY) && primary(rule, loss, byRange)));
        }
      }
    }
    return claims;
  }

  /** Whether a graph of any of these networks depends on the order of its samples. */
  private static boolean tied(
      LandscapeFound found,
      List<LandscapeMinimum> minima,
      List<LandscapeSampling> kinds,
      String rule) {
    return minima.stream()
        .flatMap(minimum -> found.of(minimum).stream())
        .anyMatch(l -> kinds.stream().anyMatch(kind -> l.valleys(kind, rule, "test").tied() > 0));
  }

  /** Why totals of the test loss rank no minima; null where those of all kinds do. */
  private static String unranked(
      LandscapeFound found, List<LandscapeSampling> kinds, String rule, boolean byRange) {
    if (tied(found, found.minima(), kinds, rule)) {
      return TIES;
    }
    for (LandscapeSampling kind : kinds) {
      ToDoubleFunction<Landscape> total = total(kind, rule, "test", byRange);
      List<Double> all = new ArrayList<>();
      for (Map<LandscapeMinimum, Landscape> seed : found.seeds()) {
        List<Double> own = seed.values().stream().mapToDouble(total).boxed().toList();
        if (equal(own)) {
          return SPREAD;
        }
        all.addAll(own);
      }
      if (mostlyNone(all)) {
        return NONE;
      }
    }
    return null;
  }

  /** Why totals of two minima have no ratio that tells anything; null where they have. */
  private static String incomparable(
      LandscapeFound found, Contrast contrast, String rule, ToDoubleFunction<Landscape> total) {
    List<LandscapeMinimum> both = List.of(contrast.bad(), contrast.good());
    if (tied(found, both, List.of(LandscapeSampling.RETRAINED), rule)) {
      return TIES;
    }
    List<Double> all = new ArrayList<>();
    for (LandscapeMinimum minimum : both) {
      List<Double> own = found.each(minimum, total);
      if (equal(own)) {
        return SPREAD;
      }
      all.addAll(own);
    }
    return mostlyNone(all) ? NONE : null;
  }

  private static boolean mostlyNone(List<Double> totals) {
    return 2 * totals.stream().filter(total -> total == 0).count() > totals.size();
  }

  private static boolean equal(List<Double> values) {
    return Collections.max(values) - Collections.min(values) <= ROUNDING;
  }

  static String by(String rule, String loss, boolean byRange) {
    return rule + ", " + loss + " loss" + (byRange ? ", by its range" : "");
  }

  private static List<Double> less(List<Double> a, List<Double> b) {
    return IntStream.range(0, a.size()).mapToObj(i -> a.get(i) - b.get(i)).toList();
  }

  private static List<Double> less(
      LandscapeFound found, Contrast contrast, ToDoubleFunction<Landscape> number) {
    return less(found.each(contrast.bad(), number), found.each(contrast.good(), number));
  }

  private static boolean primary(String rule, String loss, boolean byRange) {
    return rule.equals(LandscapeTopology.NEAREST) && loss.equals("test") && byRange;
  }

  /**
   * Null for a verdict.
   *
   * @param reason for no verdict whatever the numbers; null for none
   */
  private static String undecided(Measured value, String reason) {
    List<Double> all = value.pairs();
    if (all.size() < 3) {
      return all.size() == 1 ? "one seed" : "two seeds";
    }
    return reason == null && equal(all) ? SPREAD : reason;
  }

  private static Claim above(
      String id,
      String text,
      String between,
      String by,
      List<Double> values,
      String reason,
      boolean primary) {
    Measured value = Measured.of(values);
    String undecided = undecided(value, reason);
    Boolean held = undecided == null ? (Boolean) (value.low() > 0) : null;
    return new Claim(id, text, between, by, value, "above 0", held, undecided, primary);
  }

  /** A difference of pictures, of either sign. */
  private static Claim apart(
      Contrast contrast, String by, List<Double> values, String reason, boolean primary) {
    Measured value = Measured.of(values);
    String undecided = undecided(value, reason);
    Boolean held = undecided == null ? (Boolean) (value.low() > 0 || value.high() < 0) : null;
    return new Claim(
        "b",
        "mean distance of the ends of trajectories by that of their beginnings",
        contrast.text(),
        by,
        value,
        "without 0",
        held,
        undecided,
        primary);
  }
}
