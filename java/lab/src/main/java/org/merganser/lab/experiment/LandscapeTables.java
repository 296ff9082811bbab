// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.LandscapeRanks.Pooled;
import org.merganser.lab.report.Section;

/** What {@link LandscapeExperiment} tells: every number with its values seed by seed. */
record LandscapeTables(LandscapeExperiment.Options options, LandscapeFound found, Workspace ws) {

  /** How the networks came out. */
  private record Minimum(
      String minimum,
      Measured trainLoss,
      Measured trainAccuracy,
      Measured testLoss,
      Measured testAccuracy,
      Measured drawnAccuracy,
      Measured gap,
      Measured accuracyGap) {}

  /** Losses before and after training again. */
  private record Curve(
      String minimum, double alpha, Measured jumped, Measured retrained, Measured train) {}

  /** Embeddings. */
  private record Picture(
      String minimum,
      Measured t,
      Measured components,
      Measured stress,
      Measured together,
      Measured share,
      Measured shareOfFour,
      Measured pcaTogether) {}

  /**
   * How total persistence ranks the test gaps.
   *
   * @param tied networks whose graph depends on the order of its samples
   * @param seeds Spearman's correlation over the minima, seed by seed
   * @param networks over all networks
   * @param right over those trained on right labels; null for fewer than three
   */
  private record Rank(
      String samples,
      String rule,
      String loss,
      boolean byRange,
      long tied,
      Measured seeds,
      Pooled networks,
      Pooled right) {}

  List<Section<?>> sections(List<ExperimentResult.Row> rows) {
    LandscapeCharts charts = new LandscapeCharts(options, found);
    List<Section<?>> sections = new ArrayList<>();
    sections.add(ResultReport.rows(rows, found.seeds().size() == 1));
    sections.add(minima());
    sections.add(charts.pictures(pictures()));
    sections.add(charts.curves(curves()));
    LandscapeDiagrams diagrams = new LandscapeDiagrams(found, ws);
    sections.add(charts.diagrams(diagrams.persistence()));
    sections.add(diagrams.others());
    sections.add(diagrams.wasserstein());
    if (found.minima().size() >= LandscapeRanks.FEWEST) {
      sections.add(ranks());
    }
    sections.add(claims());
    sections.add(charts.surfaces());
    sections.add(Section.data("found", found.byId()));
    return sections;
  }

  static String text(
      LandscapeExperiment.Options options, ExperimentResult.Data data, long parameters) {
    return ("%s with %d parameters, %d epochs on %d training images (%d test images), from %d"
            + " seed%s. From each minimum %d jumps (%d directions of the length of the weights"
            + " times %s) and %d epochs of SGD %s after each: with the jumped points %d samples, compared by the cosine of"
            + " centred parameters. Graphs join each to its %d nearest by the potential of PHATE,"
            + " or, as the public code of the paper does, to the farthest. Pictures are of the"
            + " first seed.")
        .formatted(
            options.network() == LandscapeArchitecture.MLP
                ? "A perceptron without biases " + options.widths()
                : "A network of three convolutions",
            parameters,
            options.baseEpochs(),
            data.train(),
            data.test(),
            options.runs().seeds(),
            options.runs().seeds() == 1 ? "" : "s",
            options.directions() * options.steps().size(),
            options.directions(),
            options.steps(),
            options.epochs() - 1,
            options.lr(),
            options.samples(),
            options.k());
  }

  private Section<?> minima() {
    List<Minimum> rows =
        found.minima().stream()
            .map(
                m ->
                    new Minimum(
                        m.id(),
                        found.measured(m, l -> l.train().loss()),
                        found.measured(m, l -> l.train().accuracy()),
                        found.measured(m, l -> l.test().loss()),
                        found.measured(m, l -> l.test().accuracy()),
                        found.measured(m, l -> l.drawn().accuracy()),
                        found.measured(m, Landscape::gap),
                        found.measured(m, Landscape::accuracyGap)))
            .toList();
    return new Section<>(
            "minima",
            "The minima",
            "Training losses on the labels that were trained on, test losses on right ones (drawn:"
                + " accuracy on test labels drawn anew as those of training, as the public code of"
                + " the paper tells it); the gap is test loss less training loss, or training"
                + " accuracy less test accuracy. Means over seeds with 95 % intervals.",
            rows)
        .text("minimum", 12, Minimum::minimum)
        .number("train loss", 1, row -> row.trainLoss().text("%.4f"))
        .number("train accuracy", 0, row -> row.trainAccuracy().text("%.3f"))
        .number("test loss", 1, row -> row.testLoss().text("%.3f"))
        .number("test accuracy", 0, row -> row.testAccuracy().text("%.3f"))
        .number("drawn", 0, row -> row.drawnAccuracy().text("%.3f"))
        .number("gap", 1, row -> row.gap().text("%.3f"))
        .number("accuracy gap", 0, row -> row.accuracyGap().text("%.3f"));
  }

  private Section<?> pictures() {
    List<Picture> rows =
        found.minima().stream()
            .map(
                m ->
                    new Picture(
                        m.id(),
                        found.measured(m, l -> l.phate().t()),
                        found.measured(m, l -> l.phate().components()),
                        found.measured(m, l -> l.phate().stress()),
                        found.measured(m, l -> l.phate().together()),
                        found.measured(m, l -> l.pca().shares().get(0)),
                        found.measured(
                            m, l -> l.pca().shares().stream().limit(4).reduce(0.0, Double::sum)),
                        found.measured(m, l -> l.pca().together())))
            .toList();
    return new Section<>(
            "embeddings",
            "Samples in the plane",
            "PHATE of the centred cosine, potentials by their cosine, too: steps t of the walk at"
                + " the knee of its entropy, groups that no walk connects, stress; PCA for contrast: variance along the first"
                + " and the first four components. Together: mean distance between the ends of"
                + " trajectories by that between their beginnings.",
            rows)
        .text("minimum", 12, Picture::minimum)
        .number("t", 1, row -> row.t().text("%.1f"))
        .number("groups", 1, row -> row.components().text("%.1f"))
        .number("stress", 0, row -> row.stress().text("%.3f"))
        .number("together", 1, row -> row.together().text("%.3f"))
        .number("PC 1", 0, row -> row.share().text("%.3f"))
        .number("PC 1 to 4", 0, row -> row.shareOfFour().text("%.3f"))
        .number("together, PCA", 1, row -> row.pcaTogether().text("%.3f"));
  }

  private Section<?> curves() {
    List<Curve> rows = new ArrayList<>();
    for (LandscapeMinimum m : found.minima()) {
      for (double alpha : options.steps()) {
        rows.add(
            new Curve(
                m.id(),
                alpha,
                found.measured(m, l -> LandscapeCharts.mean(l, "test", alpha, 0)),
                found.measured(
                    m, l -> LandscapeCharts.mean(l, "test", alpha, options.epochs() - 1)),
                found.measured(
                    m, l -> LandscapeCharts.mean(l, "train", alpha, options.epochs() - 1))));
      }
    }
    return new Section<>(
            "curves",
            "After the jumps",
            "Loss at the jumped points and after training again, means over directions and seeds"
                + " with 95 % intervals over seeds; lines in the picture are means over the"
                + " directions of the first seed, bands all of them.",
            rows)
        .text("minimum", 0, Curve::minimum)
        .number("alpha", 0, "%.3g", Curve::alpha)
        .number("test loss, jumped", 0, row -> row.jumped().text("%.3f"))
        .number("retrained", 0, row -> row.retrained().text("%.3f"))
        .number("train loss, retrained", 0, row -> row.train().text("%.4f"));
  }

  private Section<?> ranks() {
    List<LandscapeMinimum> right = found.minima().stream().filter(m -> m.random() == 0).toList();
    List<Rank> rows = new ArrayList<>();
    for (LandscapeSampling samples : LandscapeSampling.values()) {
      for (String rule : LandscapeTopology.RULES) {
        for (String loss : LandscapeTopology.LOSSES) {
          for (boolean byRange : List.of(false, true)) {
            ToDoubleFunction<Landscape> total = LandscapeClaims.total(samples, rule, loss, byRange);
            rows.add(
                new Rank(
                    samples.id(),
                    rule,
                    loss,
                    byRange,
                    found.minima().stream()
                        .flatMap(m -> found.of(m).stream())
                        .filter(l -> l.valleys(samples, rule, loss).tied() > 0)
                        .count(),
                    Measured.of(LandscapeRanks.bySeed(found, total)),
                    LandscapeRanks.pooled(found, found.minima(), total),
                    right.size() < LandscapeRanks.FEWEST
                        ? null
                        : LandscapeRanks.pooled(found, right, total)));
          }
        }
      }
    }
    return new Section<>(
            "ranks",
            "Total persistence and the test gap",
            "Spearman's correlation with the gap of losses: over the minima of each seed, mean with"
                + " 95 % interval (Student t over seeds); over all networks, and over those"
                + " trained on right labels, with the interval of Fisher's z, which takes networks"
                + " for independent. Tied: networks whose totals depend on the order of the"
                + " samples.",
            rows)
        .text("samples", 10, Rank::samples)
        .text("graph", 8, Rank::rule)
        .text("loss", 5, row -> row.loss() + (row.byRange() ? " by range" : ""))
        .number("tied", 5, row -> String.valueOf(row.tied()))
        .number("over minima", 1, row -> row.seeds().text("%.2f"))
        .number("over networks", 1, row -> row.networks().text())
        .number("right labels", 1, row -> row.right() == null ? "-" : row.right().text());
  }

  private Section<?> claims() {
    return new Section<>(
            "claims",
            "What is claimed",
            "Seed by seed, with the 95 % interval of the mean (Student t over seeds), which"
                + " decides: of three seeds or more that differ. The primary row of each claim was"
                + " chosen before any run; all others are secondary. There is no verdict on totals"
                + " of graphs that depend on the order of the samples (ties), of which most are 0,"
                + " or where a side has no spread. Of PHATE, (b) has no verdict where samples of"
                + " either minimum fall into groups that no walk connects: how far these lie apart"
                + " says nothing.",
            LandscapeClaims.of(found))
        .text("claim", 10, row -> row.claim() + (row.primary() ? ", primary" : ""))
        .text("what", 0, LandscapeClaims.Claim::text)
        .text("between", 20, LandscapeClaims.Claim::between)
        .text("by", 20, LandscapeClaims.Claim::by)
        .number("value", 8, claim -> claim.value().text("%.3f"))
        .text("required", 8, LandscapeClaims.Claim::required)
        .text("verdict", 8, LandscapeClaims.Claim::verdict);
  }
}
