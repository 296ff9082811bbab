// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.linalg.Gram.MedianRule;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.SimilarityMeasure.Route;

/** How alike two samples of one side are: the elements of its Gram matrix. */
public sealed interface Kernel {
  /** {@code x_i . x_j}. */
  static Kernel linear() {
    return Linear.defaults();
  }

  /** {@link Rbf} with t times the median distance. */
  static Kernel rbf(double t) {
    return new Rbf(Bandwidth.OFF_DIAGONAL, t);
  }

  /** Where a bandwidth comes from. */
  enum Bandwidth {
    /** The median distance of two samples. */
    OFF_DIAGONAL,
    /** The median of all n² distances, those of samples to themselves among them. */
    ALL,
    /** The lower median of the distances that are not 0. */
    LOWER_NONZERO,
    /** Given, in units of the activations. */
    FIXED;

    /**
     * @throws IllegalStateException for {@link #FIXED}, which has none
     */
    MedianRule rule() {
      return switch (this) {
        case OFF_DIAGONAL -> MedianRule.OFF_DIAGONAL;
        case ALL -> MedianRule.ALL;
        case LOWER_NONZERO -> MedianRule.LOWER_NONZERO;
        case FIXED -> throw new IllegalStateException("a fixed bandwidth is no median");
      };
    }
  }

  /** {@code x_i . x_j}. */
  record Linear(@Setting("products of features, or of samples where these are fewer") Route route)
      implements Kernel {
    public Linear {
      Settings.check(Linear.class, route);
    }

    /** The cheaper route. */
    public static Linear defaults() {
      return new Linear(Route.AUTO);
    }
  }

  /** {@code exp(-|x_i - x_j|^2 / (2 s^2))}, s being t times a median distance, or t. */
  record Rbf(
      @Setting("the median distance that t is a multiple of, or fixed") Bandwidth bandwidth,
      @Setting(
              value = "bandwidth in median distances, or in units of the activations when fixed",
              above = 0)
          double t)
      implements Kernel {
    public Rbf {
      Settings.check(Rbf.class, bandwidth, t);
    }

    /** The median distance. */
    public static Rbf defaults() {
      return new Rbf(Bandwidth.OFF_DIAGONAL, 1);
    }
  }
}
