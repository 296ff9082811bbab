// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Comparator;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * A persistence diagram: for every class of homology of one degree, the values of the filtration
 * where it appears and where it is gone. Of filtrations that go down, deaths are below births.
 *
 * <p>Summaries are of lifetimes {@code l = |death - birth|} of the points that have one. Essential
 * points, which never die, are left out of them: {@link #capped} gives these a death, {@link
 * #essentials} counts them.
 *
 * @param degree of the homology: 0 for components, 1 for loops, 2 for voids
 * @param points sorted by birth and death
 */
public record Diagram(int degree, List<Point> points) {
  /** One class; an infinite death is none. */
  public record Point(double birth, double death) {
    public Point {
      if (!Double.isFinite(birth) || Double.isNaN(death)) {
        throw new IllegalArgumentException(
            "a class is born at a number, and dies at one or at infinity, not ("
                + birth
                + ", "
                + death
                + ")");
      }
    }

    public boolean essential() {
      return Double.isInfinite(death);
    }

    /** {@code |death - birth|}. */
    public double lifetime() {
      return Math.abs(death - birth);
    }
  }

  private static final Comparator<Point> ORDER =
      Comparator.comparingDouble(Point::birth).thenComparingDouble(Point::death);

  public Diagram {
    if (degree < 0) {
      throw new IllegalArgumentException("degree is " + degree + ", must be >= 0");
    }
    points = points.stream().sorted(ORDER).toList();
  }

  /** Births and deaths, one after the other. */
  static Diagram of(int degree, float[] pairs) {
    Point[] points = new Point[pairs.length / 2];
    for (int k = 0; k < points.length; k++) {
      points[k] = new Point(pairs[2 * k], pairs[2 * k + 1]);
    }
    return new Diagram(degree, List.of(points));
  }

  public int size() {
    return points.size();
  }

  /** Number of points that never die. */
  public int essentials() {
    return (int) points.stream().filter(Point::essential).count();
  }

  /** Lifetimes of the points that die, in the order of the points. */
  public double[] lifetimes() {
    return dying().toArray();
  }

  private DoubleStream dying() {
    return points.stream().filter(point -> !point.essential()).mapToDouble(Point::lifetime);
  }

  /** Without points that live no longer than {@code lifetime}; 0 drops those on the diagonal. */
  public Diagram longerThan(double lifetime) {
    return new Diagram(degree, points.stream().filter(p -> p.lifetime() > lifetime).toList());
  }

  /**
   * With {@code death} in the place of every infinite one.
   *
   * @throws IllegalArgumentException where a class that never dies is born later
   */
  public Diagram capped(double death) {
    for (Point p : points) {
      if (p.essential() && (p.death() > 0 ? death < p.birth() : death > p.birth())) {
        throw new IllegalArgumentException(
            "a class born at %s cannot die at %s; take a death beyond all births"
                .formatted(p.birth(), death));
      }
    }
    return new Diagram(
        degree, points.stream().map(p -> p.essential() ? new Point(p.birth(), death) : p).toList());
  }

  /** Number of points that die and live longer than {@code lifetime}. */
  public int count(double lifetime) {
    return (int) dying().filter(l -> l > lifetime).count();
  }

  /** {@code sum l^p}, p > 0. */
  public double totalPersistence(double p) {
    if (!(p > 0 && p < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("p is " + p + ", must be positive and finite");
    }
    double sum = 0;
    for (double lifetime : lifetimes()) {
      sum += p == 1 ? lifetime : Math.pow(lifetime, p);
    }
    return sum;
  }

  /** {@code (sum l^p)^(1/p)}. */
  public double norm(double p) {
    double longest = longest();
    if (longest == 0 || p == 1) {
      return totalPersistence(p);
    }
    // Of shares of the longest: powers of lifetimes may be beyond the range.
    return longest * Math.pow(shares(longest).totalPersistence(p), 1 / p);
  }

  private Diagram shares(double longest) {
    return new Diagram(
        degree, dying().mapToObj(lifetime -> new Point(0, lifetime / longest)).toList());
  }

  /** The longest lifetime, 0 where nothing dies. */
  public double longest() {
    return dying().max().orElse(0);
  }

  /**
   * Persistent entropy {@code -sum (l/L) log2(l/L)} with {@code L = sum l}: 0 for one point,
   * log2(n) for n of equal length, 0 where L is.
   */
  public double entropy() {
    double total = totalPersistence(1);
    double entropy = 0;
    for (double lifetime : lifetimes()) {
      if (lifetime > 0) {
        double share = lifetime / total;
        entropy -= share * Math.log(share) / Math.log(2);
      }
    }
    return entropy;
  }

  /**
   * The Betti curve: how many classes there are at each value. A class is there from its birth on
   * and no longer at its death.
   */
  public int[] betti(double... at) {
    int[] curve = new int[at.length];
    for (int k = 0; k < at.length; k++) {
      double x = at[k];
      curve[k] = (int) points.stream().filter(p -> lives(p, x)).count();
    }
    return curve;
  }

  private static boolean lives(Point p, double x) {
    return p.birth() <= p.death()
        ? p.birth() <= x && x < p.death()
        : p.death() < x && x <= p.birth();
  }
}
