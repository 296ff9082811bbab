// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.util.SplittableRandom;
import org.merganser.analysis.landscape.ParamLayout.Part;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;

/**
 * A direction in the space of the parameters: Gaussian numbers, drawn tensor after tensor in the
 * order of the model from one stream of the seed, and scaled against the minimum it is to lead away
 * from. So a step of 1 is as large as the weights are, whatever their scale: two networks that
 * compute the same through rescaled filters are moved alike.
 *
 * <p>Source: Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets" (arXiv 1712.09913).
 *
 * @param seed it was drawn by
 * @param values P numbers, in the order of the layout
 */
public record Direction(long seed, Norm norm, OneDimensional oneDimensional, double[] values) {
  /** Added to lengths that are divided by, so that a direction of length 0 stays 0. */
  private static final double TINY = 1e-10;

  /** How the numbers d of a tensor are scaled against its weights w. */
  public enum Norm {
    /** Each filter to the length of that of w: {@code d_i |w_i| / (|d_i| + 1e-10)}. */
    FILTER,
    /** Each tensor to the length of w: {@code d |w| / (|d| + 1e-10)}. */
    LAYER,
    /** Each number times that of w. */
    WEIGHT,
    /** Each filter to length 1. */
    DFILTER,
    /** Each tensor to length 1. */
    DLAYER,
    /** As drawn. */
    NONE
  }

  /** What becomes of tensors of one dimension: biases, factors and shifts of normalisations. */
  public enum OneDimensional {
    /** They stay where they are: d = 0. */
    IGNORE,
    /** They are scaled as a whole: d = w. */
    COPY
  }

  /**
   * Draws one.
   *
   * @param theta the minimum, P numbers
   * @throws org.merganser.error.ShapeException when theta has another number of them
   * @throws NumericalException when one of theta is not finite
   */
  public static Direction gaussian(
      ParamLayout layout, double[] theta, long seed, Norm norm, OneDimensional oneDimensional) {
    SplittableRandom random = Seeds.stream(seed, "landscape direction");
    double[] drawn = new double[layout.size()];
    for (int i = 0; i < drawn.length; i++) {
      drawn[i] = random.nextGaussian();
    }
    return new Direction(
        seed, norm, oneDimensional, normalised(layout, theta, drawn, norm, oneDimensional));
  }

  /** Numbers scaled against the minimum; a new array. */
  public static double[] normalised(
      ParamLayout layout,
      double[] theta,
      double[] drawn,
      Norm norm,
      OneDimensional oneDimensional) {
    layout.require("theta", theta);
    layout.require("the direction", drawn);
    for (int i = 0; i < theta.length; i++) {
      if (!Double.isFinite(theta[i]) || !Double.isFinite(drawn[i])) {
        throw new NumericalException(
            "parameter %d is %s and the direction there %s; both must be finite"
                .formatted(i, theta[i], drawn[i]));
      }
    }
    double[] d = drawn.clone();
    for (Part part : layout.tensors()) {
      if (part.info().rank() < 2) {
        for (int i = part.offset(); i < part.offset() + part.size(); i++) {
          d[i] = oneDimensional == OneDimensional.COPY ? theta[i] : 0;
        }
      } else {
        scale(part, theta, d, norm);
      }
    }
    return d;
  }

  private static void scale(Part part, double[] w, double[] d, Norm norm) {
    boolean whole = norm == Norm.LAYER || norm == Norm.DLAYER;
    int slices = whole ? 1 : part.filters();
    int width = slices == 0 ? 0 : part.size() / slices;
    for (int slice = 0; slice < slices; slice++) {
      int from = part.offset() + slice * width;
      double length = length(d, from, width) + TINY;
      double factor =
          switch (norm) {
            case FILTER, LAYER -> length(w, from, width) / length;
            case DFILTER, DLAYER -> 1 / length;
            case WEIGHT, NONE -> 1;
          };
      for (int i = from; i < from + width; i++) {
        d[i] *= norm == Norm.WEIGHT ? w[i] : factor;
      }
    }
  }

  private static double length(double[] v, int from, int width) {
    double sum = 0;
    for (int i = from; i < from + width; i++) {
      sum += v[i] * v[i];
    }
    return Math.sqrt(sum);
  }

  /**
   * {@code theta + step d}; theta itself for a step of 0. A new array.
   *
   * @throws IllegalArgumentException when the step is not finite
   */
  public double[] from(double[] theta, double step) {
    if (!Double.isFinite(step)) {
      throw new IllegalArgumentException("a step along a direction is finite, not " + step);
    }
    return Vectors.moved(theta, step, values, 0, values);
  }
}
