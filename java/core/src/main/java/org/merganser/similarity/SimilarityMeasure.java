// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Method;
import org.merganser.stats.NonFinite;

/**
 * How alike two representations of the same samples are: activations X [n x p] and Y [n x q], a
 * sample a row, the same samples in the same order, F32 or F64. Sums are formed in F64.
 *
 * <p>What it declares of itself, with its options, holds and nothing beyond does: which changes of
 * X and of Y leave the value as it is is what a measure means, and the contract tests measure it.
 */
public interface SimilarityMeasure extends Method {
  /** What a larger value says. */
  enum Kind {
    /** More alike. */
    SIMILARITY,
    /** Less alike. */
    DISTANCE
  }

  /** One of the representations. */
  enum Side {
    X,
    Y
  }

  /** A change of one side, the same for all samples. */
  enum Invariance {
    /** One number added to all features. */
    COMMON_SHIFT("one number added to all features"),
    /** A vector added to every sample. */
    TRANSLATION("a vector added to every sample"),
    /** Features in another order. */
    PERMUTATION("the order of features"),
    /** Rotations and reflections. */
    ORTHOGONAL("rotation"),
    /** One positive factor of everything. */
    ISOTROPIC_SCALE("one factor of everything"),
    /** A positive factor of each feature. */
    FEATURE_SCALES("a factor of each feature"),
    /** Any invertible linear map. */
    INVERTIBLE("any invertible map");

    private final String text;

    Invariance(String text) {
      this.text = text;
    }

    /** As in a sentence. */
    @Override
    public String toString() {
      return text;
    }
  }

  /** What holds of a measure besides. */
  enum Trait {
    /** X and Y may change places. */
    SYMMETRIC,
    /** A distance that obeys the triangle inequality. */
    METRIC,
    /** A representation has similarity 1 to itself, or distance 0. */
    NORMALISED,
    /** The order of the samples, the same on both sides, does not matter. */
    IGNORES_ORDER
  }

  /** What becomes of the bias of a value that is computed from few samples. */
  enum Estimator {
    /** The value of the samples as they are, which few samples raise. */
    BIASED,
    /** From unbiased terms: 0 on average for independent representations. */
    DEBIASED
  }

  /** Through which products a value is computed. */
  enum Route {
    /** The cheaper one. */
    AUTO,
    /** Of features, [p x q]. */
    FEATURE,
    /** Of samples, [n x n]. */
    GRAM
  }

  Kind kind();

  /** The least value there is; may be infinite. */
  default double least() {
    return 0;
  }

  /** The greatest value there is; may be infinite. */
  default double greatest() {
    return 1;
  }

  /** Which changes of one side leave the value as it is, with its options. */
  Set<Invariance> invariances(Side side);

  /** What else holds, with its options. */
  Set<Trait> traits();

  /** The least number of samples that there is a value for. */
  int minimumSamples();

  @Override
  default String requires() {
    return "activations";
  }

  /** What it declares, in sentences. */
  default String explain() {
    return Explanation.of(this);
  }

  /**
   * The value of two representations without NaN or infinite elements.
   *
   * @param x [n x p], anywhere
   * @param y [n x q]
   * @throws org.merganser.error.ShapeException when they have not the same number of samples, or
   *     fewer than 2
   * @throws IllegalArgumentException for fewer samples than {@link #minimumSamples}, or options
   *     that the data do not allow
   * @throws org.merganser.error.NumericalException for what is not finite, saying where, and where
   *     the value is undefined, as for a constant side: never NaN as a number
   */
  default Similarity between(Matrix x, Matrix y, Workspace ws) {
    return between(x, y, NonFinite.FAIL, ws);
  }

  /**
   * The same with a choice for samples that are not finite on one side.
   *
   * @param nonFinite whether they end the computation, or are dropped on both sides and counted
   */
  Similarity between(Matrix x, Matrix y, NonFinite nonFinite, Workspace ws);
}
