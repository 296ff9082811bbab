// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.stats.NonFinite;

/**
 * What the measures share: both sides checked, samples dropped, the result put together; and what
 * most of them declare.
 */
abstract class PairedMeasure implements SimilarityMeasure {
  /** Whatever keeps distances between samples. */
  static final Set<Invariance> ISOMETRIES =
      set(
          Invariance.COMMON_SHIFT,
          Invariance.TRANSLATION,
          Invariance.PERMUTATION,
          Invariance.ORTHOGONAL);

  /** And keeps their ratios. */
  static final Set<Invariance> SIMILARITIES =
      set(
          Invariance.COMMON_SHIFT,
          Invariance.TRANSLATION,
          Invariance.PERMUTATION,
          Invariance.ORTHOGONAL,
          Invariance.ISOTROPIC_SCALE);

  /** Everything. */
  static final Set<Invariance> AFFINE_MAPS =
      Collections.unmodifiableSet(EnumSet.allOf(Invariance.class));

  static Set<Invariance> set(Invariance first, Invariance... more) {
    return Collections.unmodifiableSet(EnumSet.of(first, more));
  }

  static Set<Trait> set(Trait first, Trait... more) {
    return Collections.unmodifiableSet(EnumSet.of(first, more));
  }

  @Override
  public Kind kind() {
    return Kind.SIMILARITY;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    return SIMILARITIES;
  }

  @Override
  public Set<Trait> traits() {
    return set(Trait.SYMMETRIC, Trait.NORMALISED, Trait.IGNORES_ORDER);
  }

  @Override
  public int minimumSamples() {
    return 2;
  }

  @Override
  public final Similarity between(Matrix x, Matrix y, NonFinite nonFinite, Workspace ws) {
    try (Pair pair = Pair.of(this, x, y, nonFinite, ws)) {
      Finding found = compare(pair, ws);
      if (!Double.isFinite(found.value)) {
        throw new NumericalException(
            id() + " of these representations is " + found.value + ": values beyond F64");
      }
      Map<String, Double> details = new LinkedHashMap<>(found.details);
      for (Sample side : pair.sides()) {
        int constant = side.constantColumns(ws);
        if (constant > 0) {
          details.put(
              "constant-columns-" + side.name().toLowerCase(Locale.ROOT), (double) constant);
        }
      }
      return new Similarity(
          found.value,
          id(),
          kind(),
          found.estimator,
          found.route,
          pair.samples(),
          pair.dropped(),
          found.warnings,
          details);
    }
  }

  /** The value of two sides that are finite, not constant, and have enough samples. */
  abstract Finding compare(Pair pair, Workspace ws);

  @Override
  public String toString() {
    return id();
  }
}
