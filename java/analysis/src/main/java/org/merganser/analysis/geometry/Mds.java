// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.internal.Threads;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;

/**
 * Multidimensional scaling: points in few dimensions whose distances are near those of a matrix E
 * [N x N], symmetric.
 *
 * <p>All begin with the classical solution, {@code Y = V sqrt(lambda)} of {@code -1/2 J E^2 J}. SGD
 * (Zheng, Pawar and Goodman 2019) moves pairs of points, all in each of 30 rounds, by steps that
 * shrink; SMACOF (de Leeuw 1977) moves all points to {@code B(X) X / N}, which never raises the
 * stress. The result is turned and reflected to the classical solution, not scaled, and of each
 * axis the largest coordinate is positive.
 */
public final class Mds {
  /** How points are moved from the classical solution. */
  public enum Solver {
    /** Not at all. */
    CLASSICAL,
    /** Pairs of points, in an order that depends on the seed alone. */
    SGD,
    /** All at once, until the stress falls by less than 1e-6 of it, or 3000 times. */
    SMACOF
  }

  private static final int ROUNDS = 30;
  private static final double LAST_STEP = 0.01;

  /** Blocks of points: a number that no result may depend on the threads through. */
  private static final int BLOCKS = 16;

  private static final int MOST_STEPS = 3000;
  private static final double ENOUGH = 1e-6;

  /**
   * Points and how well they fit.
   *
   * @param points [N][dimensions], centred
   * @param stress {@code sum over i < j of (|y_i - y_j| - E_ij)^2}
   * @param relative the root of its ratio to {@code sum E_ij^2}
   */
  public record Result(double[][] points, double stress, double relative) {}

  private Mds() {}

  /**
   * @param distances [N x N], symmetric, at least 0, on the host
   */
  public static Result of(
      Matrix distances, int dimensions, Solver solver, long seed, Workspace ws) {
    double[][] start = classical(distances, dimensions, ws);
    double[][] points =
        switch (solver) {
          case CLASSICAL -> copy(start);
          case SGD -> sgd(distances, copy(start), seed, ws);
          case SMACOF -> smacof(distances, copy(start), MOST_STEPS, ws);
        };
    centre(points);
    if (solver != Solver.CLASSICAL) {
      turn(points, start, ws);
    }
    orient(points);
    double stress = Stress.raw(points, distances);
    double scale = Stress.scale(distances);
    return new Result(points, stress, scale > 0 ? Math.sqrt(stress / scale) : 0);
  }

  static double[][] classical(Matrix distances, int dimensions, Workspace ws) {
    int n = Math.toIntExact(distances.rows());
    try (Matrix b = Matrix.allocate(n, n)) {
      double[] means = new double[n];
      double all = 0;
      for (int i = 0; i < n; i++) {
        for (double each : distances.row(i)) {
          means[i] += each * each;
        }
        means[i] /= n;
        all += means[i] / n;
      }
      for (int i = 0; i < n; i++) {
        double[] row = distances.row(i);
        for (int j = 0; j < n; j++) {
          row[j] = -0.5 * (row[j] * row[j] - means[i] - means[j] + all);
        }
        b.setRow(i, row);
      }
      return TopEigen.of(b, dimensions, ws).scaled();
    }
  }

  /** One move of all points: B(X) X / N. */
  static double[][] smacof(Matrix distances, double[][] start, int steps, Workspace ws) {
    double[][] points = start;
    double scale = Stress.scale(distances);
    double stress = Stress.raw(points, distances);
    for (int step = 0; step < steps; step++) {
      ws.cancellation().check();
      points = moved(distances, points);
      double now = Stress.raw(points, distances);
      boolean ends = stress - now <= ENOUGH * stress || now <= 1e-12 * scale;
      stress = now;
      if (ends) {
        break;
      }
    }
    return points;
  }

  private static double[][] moved(Matrix distances, double[][] points) {
    int n = points.length;
    int dimensions = points[0].length;
    double[][] next = new double[n][dimensions];
    for (int i = 0; i < n; i++) {
      double[] row = distances.row(i);
      double own = 0;
      for (int j = 0; j < n; j++) {
        double far = Stress.distance(points[i], points[j]);
        // Points that coincide have no direction to each other.
        double b = far > 0 ? row[j] / far : 0;
        own += b;
        for (int k = 0; k < dimensions; k++) {
          next[i][k] -= b * points[j][k];
        }
      }
      for (int k = 0; k < dimensions; k++) {
        next[i][k] = (next[i][k] + own * points[i][k]) / n;
      }
    }
    return next;
  }

  /**
   * Pairs of blocks of points go through a tournament, in each round of which no two share a block:
   * threads share no point, and what comes out does not depend on them.
   */
  private static double[][] sgd(Matrix distances, double[][] points, long seed, Workspace ws) {
    int n = points.length;
    int blocks = 2 * Math.max(1, Math.min(BLOCKS, n / 4) / 2);
    double decay = StrictMath.log(1 / LAST_STEP) / (ROUNDS - 1);
    double[][] rows = distances.toArray();
    try (Threads threads = new Threads(ws.threads())) {
      for (int round = 0; round < ROUNDS; round++) {
        ws.cancellation().check();
        String name = "round " + round;
        int[] order = Seeds.order(n, seed, name);
        double step = Math.min(1, StrictMath.exp(-decay * round));
        List<Callable<Void>> within = new ArrayList<>();
        for (int b = 0; b < blocks; b++) {
          Block own = new Block(b, b, blocks, order);
          within.add(() -> own.move(rows, points, step, Seeds.stream(seed, name + own.name())));
        }
        threads.all(within);
        for (int match = 0; match < blocks - 1; match++) {
          List<Callable<Void>> games = new ArrayList<>();
          for (int k = 0; k < blocks / 2; k++) {
            Block game = Block.game(match, k, blocks, order);
            games.add(() -> game.move(rows, points, step, Seeds.stream(seed, name + game.name())));
          }
          threads.all(games);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return points;
  }

  /** All pairs of a point of one block and one of another, or of two points of one. */
  private record Block(int one, int other, int blocks, int[] order) {
    /** By the circle method: the last stays, the others move on by one. */
    static Block game(int match, int k, int blocks, int[] order) {
      int turning = blocks - 1;
      int one = (match + k) % turning;
      int other = k == 0 ? turning : Math.floorMod(match - k, turning);
      return new Block(one, other, blocks, order);
    }

    String name() {
      return " blocks " + one + " " + other;
    }

    private int begin(int block) {
      return (int) ((long) block * order.length / blocks);
    }

    Void move(double[][] distances, double[][] points, double step, SplittableRandom random) {
      int first = begin(one);
      int rows = begin(one + 1) - first;
      int second = begin(other);
      int columns = begin(other + 1) - second;
      // Diagonals of the block, in random order: each point once before any twice.
      int[] shifts = shuffled(columns, random);
      for (int shift : shifts) {
        for (int r = 0; r < rows; r++) {
          int c = (r + shift) % columns;
          if (one != other || c < r) {
            int i = order[first + r];
            int j = order[second + c];
            pull(points[i], points[j], distances[i][j], step, random);
          }
        }
      }
      return null;
    }

    private static int[] shuffled(int n, SplittableRandom random) {
      int[] all = new int[n];
      for (int i = 0; i < n; i++) {
        int j = random.nextInt(i + 1);
        all[i] = all[j];
        all[j] = i;
      }
      return all;
    }

    private static void pull(
        double[] a, double[] b, double wanted, double step, SplittableRandom random) {
      double far = Stress.distance(a, b);
      if (far > 0) {
        double share = step * (far - wanted) / (2 * far);
        for (int k = 0; k < a.length; k++) {
          double move = share * (a[k] - b[k]);
          a[k] -= move;
          b[k] += move;
        }
      } else if (wanted > 0) {
        double[] direction = new double[a.length];
        for (int k = 0; k < direction.length; k++) {
          direction[k] = random.nextGaussian();
        }
        Lanczos.scale(direction, step * wanted / 2 / Lanczos.length(direction));
        for (int k = 0; k < a.length; k++) {
          a[k] += direction[k];
          b[k] -= direction[k];
        }
      }
    }
  }

  private static double[][] copy(double[][] points) {
    double[][] copy = new double[points.length][];
    for (int i = 0; i < copy.length; i++) {
      copy[i] = points[i].clone();
    }
    return copy;
  }

  static void centre(double[][] points) {
    for (int k = 0; k < points[0].length; k++) {
      double mean = 0;
      for (double[] point : points) {
        mean += point[k];
      }
      mean /= points.length;
      for (double[] point : points) {
        point[k] -= mean;
      }
    }
  }

  /** By the orthogonal matrix that brings them nearest to others. */
  private static void turn(double[][] points, double[][] to, Workspace ws) {
    int d = points[0].length;
    try (Opened opened = new Opened()) {
      Matrix products = opened.add(Matrix.zeros(d, d));
      for (int a = 0; a < d; a++) {
        for (int b = 0; b < d; b++) {
          double sum = 0;
          for (int i = 0; i < points.length; i++) {
            sum += points[i][a] * to[i][b];
          }
          products.set(a, b, sum);
        }
      }
      if (Lanczos.length(products.asTensor().toDoubleArray()) == 0) {
        return;
      }
      Polar polar = opened.add(Polar.of(products, ws));
      Matrix turn = opened.add(polar.factor().toHost(ws));
      for (double[] point : points) {
        double[] before = point.clone();
        for (int b = 0; b < d; b++) {
          point[b] = 0;
          for (int a = 0; a < d; a++) {
            point[b] += before[a] * turn.get(a, b);
          }
        }
      }
    }
  }

  private static void orient(double[][] points) {
    for (int k = 0; k < points[0].length; k++) {
      double largest = 0;
      for (double[] point : points) {
        largest = Math.abs(point[k]) > Math.abs(largest) ? point[k] : largest;
      }
      if (largest < 0) {
        for (double[] point : points) {
          point[k] = -point[k];
        }
      }
    }
  }
}
