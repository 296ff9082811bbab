// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.analysis.landscape.Direction;
import org.merganser.analysis.landscape.LossFunction;
import org.merganser.analysis.landscape.LossSurface;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.lab.experiment.Landscape.Probes;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Samples that are not trained again, up to the radius of the largest jump: as many points on lines
 * through the minimum as there are samples, evenly along each direction on both sides and without
 * the minimum, and a grid of at most as many on the plane of the first two directions.
 */
final class LandscapeProbes {
  private final double[] theta;
  private final List<Direction> directions;
  private final double radius;
  private final int perLine;
  private final int side;

  /**
   * @param samples how many there may be of each kind
   */
  LandscapeProbes(double[] theta, List<Direction> directions, double radius, int samples) {
    this.theta = theta;
    this.directions = directions;
    this.radius = radius;
    this.perLine = perLine(samples, directions.size());
    this.side = side(samples);
  }

  /** An even number: the minimum, which all lines share, is none of them. */
  static int perLine(int samples, int directions) {
    return samples / directions / 2 * 2;
  }

  /** Points along a side of the grid. */
  static int side(int samples) {
    return (int) Math.sqrt(samples);
  }

  /** Points of the kind that has the fewest. */
  static int least(int samples, int directions) {
    int grid = side(samples) * side(samples);
    return Math.min(grid, directions * perLine(samples, directions));
  }

  private double[] steps() {
    return LossSurface.evenly(-radius, radius, perLine);
  }

  private double[] sides() {
    return LossSurface.evenly(-radius, radius, side);
  }

  /**
   * Losses of all points.
   *
   * @param minimum for messages
   * @param losses by name
   * @throws NumericalException when one is not finite
   */
  Probes losses(String minimum, Map<String, LossFunction> losses, Workspace ws) throws IOException {
    Map<String, List<List<Double>>> lines = new LinkedHashMap<>();
    Map<String, List<List<Double>>> planes = new LinkedHashMap<>();
    for (Map.Entry<String, LossFunction> loss : losses.entrySet()) {
      List<List<Double>> line = new ArrayList<>();
      for (Direction d : directions) {
        double[] found = LossSurface.line(loss.getValue(), theta, d.values(), steps(), ws).losses();
        for (int i = 0; i < found.length; i++) {
          String at = "direction %d at step %s".formatted(line.size(), steps()[i]);
          requireFinite(found[i], loss.getKey(), minimum, "line of " + at);
        }
        line.add(list(found));
      }
      lines.put(loss.getKey(), line);
      double[] first = directions.get(0).values();
      double[] second = directions.get(1).values();
      double[][] plane =
          LossSurface.plane(loss.getValue(), theta, first, second, sides(), sides(), false, ws)
              .losses();
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) {
          String at = "plane at steps %s and %s".formatted(sides()[i], sides()[j]);
          requireFinite(plane[i][j], loss.getKey(), minimum, at);
        }
      }
      planes.put(loss.getKey(), Arrays.stream(plane).map(LandscapeProbes::list).toList());
    }
    return new Probes(
        list(steps()),
        lines.get("train"),
        lines.get("test"),
        list(sides()),
        planes.get("train"),
        planes.get("test"));
  }

  /** Persistence is of numbers. */
  private static void requireFinite(double value, String loss, String minimum, String where) {
    if (!Double.isFinite(value)) {
      throw new NumericalException(
          "minimum %s: the %s loss is %s on the %s; set the longest of --steps smaller"
              .formatted(minimum, loss, value, where));
    }
  }

  static List<Double> list(double... values) {
    return Arrays.stream(values).boxed().toList();
  }

  /** Rows of losses one after the other, as {@link #lines} and {@link #plane} have their points. */
  static double[] flat(List<List<Double>> rows) {
    return rows.stream().flatMap(List::stream).mapToDouble(v -> v).toArray();
  }

  /** Points on lines, less the minimum, [points x directions], in a basis of their span. */
  Matrix lines() {
    double[][] basis = basis();
    List<double[]> points = new ArrayList<>();
    for (double[] axis : basis) {
      for (double step : steps()) {
        points.add(Arrays.stream(axis).map(v -> step * v).toArray());
      }
    }
    return matrix(points);
  }

  /** Those of the grid, likewise. */
  Matrix plane() {
    double[][] basis = basis();
    List<double[]> points = new ArrayList<>();
    for (double a : sides()) {
      for (double b : sides()) {
        double[] point = new double[basis.length];
        for (int i = 0; i < point.length; i++) {
          point[i] = a * basis[0][i] + b * basis[1][i];
        }
        points.add(point);
      }
    }
    return matrix(points);
  }

  private static Matrix matrix(List<double[]> rows) {
    double[] flat = rows.stream().flatMapToDouble(Arrays::stream).toArray();
    return Matrix.of(Tensor.of(flat, rows.size(), rows.get(0).length));
  }

  /**
   * The directions in an orthonormal basis of their span: rows of the Cholesky factor L of their
   * products, {@code G = L L^T}. Random directions of many parameters are far from dependent.
   */
  private double[][] basis() {
    int n = directions.size();
    double[][] l = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double left = dot(directions.get(i).values(), directions.get(j).values());
        for (int k = 0; k < j; k++) {
          left -= l[i][k] * l[j][k];
        }
        l[i][j] = i == j ? Math.sqrt(Math.max(0, left)) : left / l[j][j];
      }
    }
    return l;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
