// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.method.Method;
import org.merganser.model.Architecture;
import org.merganser.stats.StatisticsRequest;

/** A method that finds feature maps. */
public interface Aligner extends Method {
  /**
   * What a method with its options needs and promises; the contract tests follow from it. In the
   * formulas x are activations of the reference, y of the model, and T(x, y) is the map found. A
   * method <em>undoes</em> a group of changes A of the model's features when {@code T(x, A y) A =
   * T(x, y)}: however the model's features were turned, the aligned model is the same.
   */
  enum Trait {
    /** Looks at activations: what {@link Aligner#request} asks for is collected. */
    NEEDS_DATA,
    /** Models may be wider or narrower than the reference. */
    ANY_WIDTHS,
    /** Maps have an inverse; else they are pairs of maps. */
    INVERTIBLE,
    /** Maps take each feature to one, with a factor or without; else they are dense. */
    ONE_TO_ONE,
    /** A model aligned to itself, or to one of equal activations, stays as it is. */
    KEEPS_EQUAL_MODELS,
    /** Undoes permutations. */
    UNDOES_PERMUTATIONS,
    /** Undoes rotations and reflections. */
    UNDOES_ROTATIONS,
    /** Undoes one positive factor of all features. */
    UNDOES_SCALE,
    /** Undoes a positive factor of each feature. */
    UNDOES_FEATURE_SCALES,
    /** {@code T(c x, c y) = T(x, y)}: the unit of activations does not matter. */
    IGNORES_UNIT
  }

  /** In which unit what is added to the diagonal of a covariance is given. */
  enum Unit {
    /** Times the mean variance of its side. */
    RELATIVE,
    /** In units of variance, the same on both sides. */
    ABSOLUTE
  }

  /** What it needs and promises, with its options. */
  Set<Trait> traits();

  @Override
  default String requires() {
    return traits().contains(Trait.NEEDS_DATA) ? "activations" : "";
  }

  /** The moments it needs. */
  StatisticsRequest request(Architecture architecture);

  /**
   * Maps of every model into the reference, that of the reference included.
   *
   * @param problem its statistics are borrowed: no map refers to them
   * @return what the caller closes
   * @throws org.merganser.error.IncompatibleModelsException when widths differ and the method does
   *     not take that ({@link Trait#ANY_WIDTHS})
   */
  AlignmentSet align(AlignmentProblem problem, Workspace ws);
}
