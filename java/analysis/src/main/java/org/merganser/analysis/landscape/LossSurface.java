// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.plan.Interpolation;
import org.merganser.plan.Interpolation.Barrier;
import org.merganser.torch.internal.session.SideBySide;

/**
 * A loss on lines and planes through the space of parameters. Points are evaluated side by side, as
 * many at once as the Workspace has threads, each by one; losses do not depend on how many.
 *
 * <p>Source: Li et al. 2018 (arXiv 1712.09913); Frankle et al. 2020 (arXiv 1912.05671) for
 * barriers.
 */
public final class LossSurface {
  private LossSurface() {}

  /**
   * Steps at equal distances, ends included: 51 from -1 to 1 are usual for a random direction.
   *
   * @param points at least 2
   */
  public static double[] evenly(double from, double to, int points) {
    if (points < 2 || !(from < to) || !Double.isFinite(to - from)) {
      throw new IllegalArgumentException(
          "steps from %s to %s at %d points; needed is a range and 2 points or more"
              .formatted(from, to, points));
    }
    double[] steps = new double[points];
    for (int i = 0; i < points; i++) {
      // Symmetric about the middle, which is met exactly.
      steps[i] = (from * (points - 1 - i) + to * i) / (points - 1);
    }
    steps[0] = from;
    steps[points - 1] = to;
    return steps;
  }

  /**
   * {@code L(theta + a d)}.
   *
   * @param steps a, in order
   * @param losses one each; not finite where the loss is not
   */
  public record Line(double[] steps, double[] losses) {}

  /** The loss along a direction. */
  public static Line line(
      LossFunction loss, double[] centre, double[] direction, double[] steps, Workspace ws)
      throws IOException {
    requireSteps(steps);
    List<double[]> factors = new ArrayList<>();
    for (double step : steps) {
      factors.add(new double[] {step, 0});
    }
    return new Line(steps.clone(), at(loss, centre, direction, direction, factors, ws));
  }

  /**
   * {@code L(theta + a d + b e)}.
   *
   * @param first a, in order
   * @param second b, in order
   * @param losses [a][b], raw; not finite where the loss is not
   * @param cosine of the angle between the directions that were given
   * @param orthogonal whether e was made orthogonal to d first
   */
  public record Grid(
      double[] first, double[] second, double[][] losses, double cosine, boolean orthogonal) {

    /** Losses for a plot, at most {@code ceiling}; that too where there is none. */
    public double[][] clipped(double ceiling) {
      double[][] clipped = new double[losses.length][];
      for (int i = 0; i < clipped.length; i++) {
        clipped[i] = losses[i].clone();
        for (int j = 0; j < clipped[i].length; j++) {
          clipped[i][j] = losses[i][j] <= ceiling ? losses[i][j] : ceiling;
        }
      }
      return clipped;
    }
  }

  /**
   * The loss on a plane.
   *
   * @param d P numbers, such as those of a {@link Direction}
   * @param e likewise, not along d
   * @param orthogonal whether to take from e what lies along d
   * @throws NumericalException when a direction is 0, or e lies along d and is to be made
   *     orthogonal
   */
  public static Grid plane(
      LossFunction loss,
      double[] centre,
      double[] d,
      double[] e,
      double[] first,
      double[] second,
      boolean orthogonal,
      Workspace ws)
      throws IOException {
    requireSteps(first);
    requireSteps(second);
    double[] other = Vectors.moved(e, 0, d, 0, d);
    double cosine = Vectors.dot(d, e) / (Vectors.length(d) * Vectors.length(e));
    if (!Double.isFinite(cosine) || orthogonal && 1 - Math.abs(cosine) < 1e-12) {
      throw new NumericalException(
          "directions of lengths %s and %s with cosine %s span no plane; draw another one"
              .formatted(Vectors.length(d), Vectors.length(e), cosine));
    }
    if (orthogonal) {
      other = Vectors.moved(e, -Vectors.dot(d, e) / Vectors.dot(d, d), d, 0, d);
    }
    List<double[]> factors = new ArrayList<>();
    for (double a : first) {
      for (double b : second) {
        factors.add(new double[] {a, b});
      }
    }
    double[] flat = at(loss, centre, d, other, factors, ws);
    double[][] losses = new double[first.length][second.length];
    for (int i = 0; i < first.length; i++) {
      System.arraycopy(flat, i * second.length, losses[i], 0, second.length);
    }
    return new Grid(first.clone(), second.clone(), losses, cosine, orthogonal);
  }

  /**
   * {@code L((1 - l) theta_a + l theta_b)}.
   *
   * @param lambdas from 0 to 1
   */
  public record Segment(double[] lambdas, double[] losses) {
    /** Above the straight line between the losses of the ends. */
    public Barrier barrier() {
      return Barrier.ofLoss(lambdas, losses);
    }

    /** Above the worse end. */
    public Barrier aboveEnds() {
      return Barrier.aboveEnds(lambdas, losses);
    }
  }

  /**
   * The loss between two points, both included.
   *
   * @param points 25 are usual
   */
  public static Segment between(LossFunction loss, double[] a, double[] b, int points, Workspace ws)
      throws IOException {
    double[] lambdas = Interpolation.grid(points);
    List<double[]> factors = new ArrayList<>();
    for (double lambda : lambdas) {
      // Relative to a point of zeros, so that both ends are themselves.
      factors.add(new double[] {1 - lambda, lambda});
    }
    return new Segment(lambdas, at(loss, new double[a.length], a, b, factors, ws));
  }

  private static void requireSteps(double... steps) {
    for (double step : steps) {
      if (!Double.isFinite(step)) {
        throw new IllegalArgumentException("a step along a direction is finite, not " + step);
      }
    }
    if (steps.length == 0) {
      throw new IllegalArgumentException("a line of no points; give one step or more");
    }
  }

  private static double[] at(
      LossFunction loss,
      double[] centre,
      double[] d,
      double[] e,
      List<double[]> factors,
      Workspace ws)
      throws IOException {
    Vectors.moved(centre, 0, d, 0, e);
    int points = factors.size();
    int jobs = Math.min(ws.threads(), points);
    int most = (points + jobs - 1) / jobs;
    double[] losses = new double[points];
    List<SideBySide.Job<Integer>> each = new ArrayList<>();
    for (int job = 0; job < jobs; job++) {
      int first = job;
      each.add(
          own -> {
            int done = 0;
            for (int i = first; i < points; i += jobs) {
              own.cancellation().check();
              double[] f = factors.get(i);
              losses[i] = loss.at(Vectors.moved(centre, f[0], d, f[1], e), own);
              own.progress().report("losses", ++done, most);
            }
            return done;
          });
    }
    new SideBySide(ws, most).all("losses", Collections.nCopies(jobs, ws.seed()), each);
    return losses;
  }
}
