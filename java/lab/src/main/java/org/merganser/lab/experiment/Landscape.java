// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.analysis.topology.Diagram;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.model.Evaluation;

/**
 * What was found about the landscape of one trained network, theta*: all that is reported follows
 * from it.
 *
 * @param train of theta* on the labels that it was trained on
 * @param test likewise on test images, whose labels are right
 * @param drawn likewise on test images some of whose labels were drawn anew, as those of training
 * @param samples jumped and trained again, trajectory after trajectory
 * @param valleys persistence for every kind of samples, graph and loss
 */
record Landscape(
    Evaluation train,
    Evaluation test,
    Evaluation drawn,
    Samples samples,
    Walk phate,
    Components pca,
    Probes probes,
    List<Valleys> valleys) {

  /** Test loss less training loss of theta*. */
  double gap() {
    return test.loss() - train.loss();
  }

  /** Training accuracy less test accuracy. */
  double accuracyGap() {
    return train.accuracy() - test.accuracy();
  }

  Valleys valleys(LandscapeSampling samples, String rule, String loss) {
    return valleys.stream()
        .filter(v -> v.samples().equals(samples.id()) && v.rule().equals(rule))
        .filter(v -> v.loss().equals(loss))
        .findFirst()
        .orElseThrow();
  }

  /**
   * A table of samples by columns; rows of a trajectory follow each other.
   *
   * @param direction seed of the direction of the jump
   * @param alpha its step
   * @param epoch of training after it; 0 is the jumped point
   * @param x on the plane of PHATE
   * @param pcaX on the first principal component
   */
  record Samples(
      List<Integer> direction,
      List<Double> alpha,
      List<Integer> epoch,
      List<Double> trainLoss,
      List<Double> testLoss,
      List<Double> x,
      List<Double> y,
      List<Double> pcaX,
      List<Double> pcaY) {
    int size() {
      return epoch.size();
    }

    List<Double> loss(String which) {
      return which.equals("test") ? testLoss : trainLoss;
    }
  }

  /**
   * The embedding by PHATE.
   *
   * @param t steps of the walk, at the knee of the entropy
   * @param components groups that no walk connects
   * @param together mean distance of the ends of trajectories by that of their jumped points
   */
  record Walk(
      int t,
      List<Double> entropy,
      int components,
      double stress,
      double together,
      List<String> warnings) {}

  /**
   * Principal components of the samples.
   *
   * @param shares of the variance, of the first ones
   * @param together as of {@link Walk}, on the first two
   */
  record Components(List<Double> shares, double together) {}

  /**
   * Losses on lines and on a plane through theta* along the directions of the jumps.
   *
   * @param steps of the lines
   * @param trainLines [direction][step]
   * @param side steps of the plane, along both directions
   * @param testPlane [first direction][second direction]
   */
  record Probes(
      List<Double> steps,
      List<List<Double>> trainLines,
      List<List<Double>> testLines,
      List<Double> side,
      List<List<Double>> trainPlane,
      List<List<Double>> testPlane) {}

  /**
   * Persistence of a loss on a graph of samples.
   *
   * @param samples {@link LandscapeSampling}
   * @param rule of the neighbours, {@code nearest} or {@code farthest}
   * @param loss {@code train} or {@code test}
   * @param lowest loss of a sample
   * @param highest loss of a sample
   * @param tied samples whose last neighbour is as good as one that is left out: where there are
   *     any the graph, and all that follows, depends on the order of the samples
   * @param edges of the graph
   * @param components of it
   * @param total persistence of degree 0, without what never dies
   * @param loops sum over loops of the highest loss less that where they close: they are not filled
   * @param pairs births and deaths of degree 0 off the diagonal, without what never dies
   * @param births of loops, rounded to six digits; empty but for the samples of the paper
   */
  record Valleys(
      String samples,
      String rule,
      String loss,
      double lowest,
      double highest,
      int tied,
      int edges,
      int components,
      double total,
      double loops,
      List<List<Double>> pairs,
      List<Double> births) {

    double range() {
      return highest - lowest;
    }

    /** Divided by the range of the loss; 0 where the loss has none. */
    double relative(double persistence) {
      return range() > 0 ? persistence / range() : 0;
    }

    /** Total persistence, raw or relative. */
    double total(boolean byRange) {
      return byRange ? relative(total) : total;
    }

    /** Degree 0 off the diagonal; relative: the loss from 0, where it is lowest, to 1. */
    Diagram diagram(boolean byRange) {
      return new Diagram(
          0,
          pairs.stream()
              .map(p -> new Point(scaled(p.get(0), byRange), scaled(p.get(1), byRange)))
              .toList());
    }

    private double scaled(double loss, boolean byRange) {
      return byRange ? relative(loss - lowest) : loss;
    }
  }
}
