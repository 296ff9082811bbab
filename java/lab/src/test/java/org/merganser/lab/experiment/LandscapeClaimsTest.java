// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.lab.experiment.Landscape.Components;
import org.merganser.lab.experiment.Landscape.Probes;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.experiment.Landscape.Walk;
import org.merganser.lab.experiment.LandscapeClaims.Claim;
import org.merganser.model.Evaluation;

/** What the experiment says of numbers made by hand, and of what it keeps its verdict. */
class LandscapeClaimsTest {
  private static final LandscapeMinimum[] MINIMA = LandscapeMinimum.values();

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
