// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.align.Alignment;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.model.Network;

/**
 * How good the models on the line {@code (1-l) theta_0 + l theta_1'} between two aligned models
 * are.
 *
 * <p>Maps that keep the function give one line, in the features of model 0. With others the mapped
 * model is no longer the model itself, so there are two half-lines: model 1 mapped into the
 * features of model 0 for l up to 0.5, model 0 mapped into those of model 1 beyond. Both begin at
 * the models as they are.
 *
 * @param points in the order of lambda
 */
public record Interpolation(List<Point> points) {
  /** A model of the line. */
  public record Point(double lambda, Evaluation evaluation) {}

  /** What is done to each model of the line before it is evaluated. */
  @FunctionalInterface
  public interface Repair {
    /** Nothing. */
    Repair NONE = (model, endpoints, lambda) -> model;

    /**
     * @param model of the line; it may have stale statistics
     * @param endpoints model 0 and model 1, both in the features the line is in
     * @param lambda weight of the second
     * @return the model to evaluate; closed afterwards
     */
    Checkpoint apply(Checkpoint model, List<Checkpoint> endpoints, double lambda)
        throws IOException;
  }

  public Interpolation {
    points = List.copyOf(points);
  }

  /** Evenly spaced lambdas from 0 to 1. */
  public static double[] grid(int points) {
    if (points < 2) {
      throw new IllegalArgumentException("a path needs at least 2 points, not " + points);
    }
    return IntStream.range(0, points).mapToDouble(i -> (double) i / (points - 1)).toArray();
  }

  /**
   * Evaluates the models of the line.
   *
   * @param alignment of model 1 to model 0
   * @param lambdas increasing, from 0 to 1
   * @throws org.merganser.error.IncompatibleModelsException when a model of the line has stale
   *     statistics that {@code repair} does not reset
   */
  public static Interpolation of(
      Network network,
      Checkpoint first,
      Checkpoint second,
      Alignment alignment,
      double[] lambdas,
      Repair repair,
      Inputs.Labelled data,
      Workspace ws)
      throws IOException {
    boolean exact = alignment.isExact();
    List<Point> points = new ArrayList<>();
    try (Alignment inverse = alignment.otherWay();
        MemoryCheckpoint mapped = MemoryCheckpoint.copyOf(alignment.apply(second), ws);
        MemoryCheckpoint back = exact ? null : MemoryCheckpoint.copyOf(inverse.apply(first), ws)) {
      for (double lambda : lambdas) {
        if (!(lambda >= 0 && lambda <= 1)) {
          throw new IllegalArgumentException("lambda must be in [0, 1], not " + lambda);
        }
        List<Checkpoint> ends =
            exact || lambda <= 0.5 ? List.of(first, mapped) : List.of(back, second);
        try (Checkpoint ready = repair.apply(mix(alignment, ends, lambda, ws), ends, lambda)) {
          points.add(new Point(lambda, Evaluation.of(network, ready, data, ws)));
        }
        String id = alignment.method().split(":", 2)[0];
        ws.progress().report("path " + id, points.size(), lambdas.length);
      }
    }
    return new Interpolation(points);
  }

  /** The ends themselves at the ends: a mapped model of weight 0 would make them stale. */
  private static Checkpoint mix(
      Alignment alignment, List<Checkpoint> ends, double lambda, Workspace ws) {
    if (lambda == 0 || lambda == 1) {
      return borrowed(ends.get((int) lambda), ws);
    }
    MergeProblem problem = MergeProblem.of(alignment.architecture(), ends);
    return LinearMerger.weights(1 - lambda, lambda).merge(problem, ws);
  }

  /** A view, so that closing it closes nothing. */
  private static Checkpoint borrowed(Checkpoint model, Workspace ws) {
    return LinearMerger.uniform().merge(MergeProblem.of(model), ws);
  }

  /** Barrier of the loss. */
  public Barrier lossBarrier() {
    return Barrier.ofLoss(
        lambdas(), points.stream().mapToDouble(p -> p.evaluation().loss()).toArray());
  }

  /** Barrier of the accuracy. */
  public Barrier accuracyBarrier() {
    return Barrier.ofAccuracy(
        lambdas(), points.stream().mapToDouble(p -> p.evaluation().accuracy()).toArray());
  }

  /** Where the points are. */
  public double[] lambdas() {
    return points.stream().mapToDouble(Point::lambda).toArray();
  }

  /**
   * How much worse models between two endpoints get than the straight line between them says:
   *
   * <pre>
   *   barrier = max over l of  L(theta_l) - ((1-l) L_0 + l L_1)
   * </pre>
   *
   * L the loss; for accuracies, where more is better, the sign is turned. Both endpoints lie on the
   * line, so it is never below 0 (Frankle et al. 2020). Infinite where a model between them is.
   *
   * @param height in nats or as a part of 1
   * @param lambda where it is highest; the first of equals
   */
  public record Barrier(double height, double lambda) {

    /**
     * From losses.
     *
     * @param lambdas increasing, from 0 to 1
     * @param losses at each of them
     * @throws NumericalException when one of the ends is infinite
     */
    public static Barrier ofLoss(double[] lambdas, double[] losses) {
      return of(lambdas, losses, 1);
    }

    /**
     * The other definition in use: above the worse end instead of above the line,
     *
     * <pre>
     *   max over l of  L(theta_l) - max(L_0, L_1)
     * </pre>
     *
     * and 0 where no model between them is worse than both.
     *
     * @throws NumericalException when one of the ends is infinite
     */
    public static Barrier aboveEnds(double[] lambdas, double[] losses) {
      double[] level = losses.clone();
      int last = level.length - 1;
      if (last > 0 && Double.isFinite(losses[0]) && Double.isFinite(losses[last])) {
        level[0] = Math.max(losses[0], losses[last]);
        level[last] = level[0];
      }
      return of(lambdas, level, 1);
    }

    /** From accuracies. */
    public static Barrier ofAccuracy(double[] lambdas, double[] accuracies) {
      return of(lambdas, accuracies, -1);
    }

    private static Barrier of(double[] lambdas, double[] values, int sign) {
      int last = lambdas.length - 1;
      if (values.length != lambdas.length || last < 1 || lambdas[0] != 0 || lambdas[last] != 1) {
        throw new IllegalArgumentException(
            "a path needs a value for each lambda, from 0 to 1; there are "
                + lambdas.length
                + " lambdas and "
                + values.length
                + " values");
      }
      if (Double.isInfinite(values[0]) || Double.isInfinite(values[last])) {
        throw new NumericalException(
            "a path from "
                + values[0]
                + " to "
                + values[last]
                + " has no line between its ends to be compared with; one of the models is broken");
      }
      double height = 0;
      double where = 0;
      for (int i = 0; i <= last; i++) {
        if (Double.isNaN(values[i]) || i > 0 && !(lambdas[i] > lambdas[i - 1])) {
          throw new IllegalArgumentException(
              "value " + values[i] + " at lambda " + lambdas[i] + ", point " + i + " of a path");
        }
        // The endpoints lie on the line; rounding must not say otherwise.
        double line =
            values[0] == values[last]
                ? values[0]
                : (1 - lambdas[i]) * values[0] + lambdas[i] * values[last];
        double above = i == 0 || i == last ? 0 : sign * (values[i] - line);
        if (above > height) {
          height = above;
          where = lambdas[i];
        }
      }
      return new Barrier(height, where);
    }
  }
}
