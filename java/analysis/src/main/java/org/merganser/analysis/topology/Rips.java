// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.internal.kernel.TopologyKernels;
import org.merganser.linalg.Matrix;

/**
 * Persistent homology of Vietoris-Rips complexes, over Z/2: a set of points is a simplex from the
 * value on that is the largest distance between two of them. Components (degree 0), loops (1) and
 * voids (2) that come and go as the value grows.
 *
 * <p>Distances are rounded to F32. Classes of degree d need simplices of d + 1 dimensions: degree 2
 * of n points has n^4 / 24 of those, so that degree 1 is for some thousand points and degree 2 for
 * some hundred. Cohomology with clearing, apparent and emergent pairs (Bauer 2021); it is decided
 * by comparisons alone, so results are the same on every processor for any number of threads.
 *
 * <p>Permuting the points changes nothing; scaling all distances by a power of two scales the
 * diagrams. Distances that differ by at most e give diagrams within a {@linkplain
 * DiagramMetrics#bottleneck bottleneck distance} of e.
 *
 * <p>Refused with the first place: NaN, negative and asymmetric distances, a diagonal that is not
 * 0. Of two that differ by 1e-12 of their sum at most, as rounding leaves them, the larger counts.
 * {@code +Inf} is no edge at any value.
 */
public final class Rips {
  private Rips() {}

  /**
   * How far it goes.
   *
   * @param maxDegree the last degree, at most 2
   * @param threshold the last value of the filtration: what lives there counts as essential. {@link
   *     #ENCLOSING_RADIUS}, the least distance within which one point has all others, loses nothing
   */
  public record Options(int maxDegree, double threshold) {
    public static final double ENCLOSING_RADIUS = -1;

    public Options {
      if (maxDegree < 0 || maxDegree > 2) {
        throw new IllegalArgumentException(
            "degrees up to " + maxDegree + "; there are 0 (components), 1 (loops) and 2 (voids)");
      }
      if (!(threshold >= 0 || threshold == ENCLOSING_RADIUS)) {
        throw new IllegalArgumentException("threshold is " + threshold + ", must be >= 0");
      }
    }

    /** Degrees 0 and 1, everything that happens. */
    public static Options defaults() {
      return new Options(1, ENCLOSING_RADIUS);
    }

    public Options withMaxDegree(int value) {
      return new Options(value, threshold);
    }

    public Options withThreshold(double value) {
      return new Options(maxDegree, value);
    }
  }

  /**
   * The diagrams, without points on the diagonal.
   *
   * @param threshold the last value that was looked at; infinite where no point has a finite
   *     distance to all others
   * @param diagrams of degree 0, 1 and so on
   */
  public record Barcode(double threshold, List<Diagram> diagrams) {
    public Barcode {
      diagrams = List.copyOf(diagrams);
    }
  }

  /** Of distances [n x n], F64 or F32. */
  public static Barcode of(Matrix distances, Options options, Workspace ws) {
    if (distances.columns() != distances.rows()) {
      throw new ShapeException(
          "distances are a " + distances + "; needed is a square one, a row and a column a point");
    }
    return of(distances, false, options, ws);
  }

  /**
   * Of points [n x dimensions], F64 or F32, with their Euclidean distances: of differences, so that
   * near points lose nothing.
   */
  public static Barcode ofPoints(Matrix points, Options options, Workspace ws) {
    return of(points, true, options, ws);
  }

  private static Barcode of(Matrix x, boolean points, Options options, Workspace ws) {
    MatrixBlock block =
        new MatrixBlock(x.dtype().code(), x.rows(), x.columns(), Block.of(x.asTensor()));
    TopologyKernels.Barcode found =
        Kernels.of(ws).topology().rips(block, points, options.threshold(), options.maxDegree());
    List<Diagram> diagrams = new ArrayList<>();
    for (int degree = 0; degree <= options.maxDegree(); degree++) {
      diagrams.add(Diagram.of(degree, found.points()[degree]));
    }
    // Of F32, whose largest number stands for none.
    boolean all = found.threshold() >= Float.MAX_VALUE;
    return new Barcode(all ? Double.POSITIVE_INFINITY : found.threshold(), diagrams);
  }
}
