// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Optional;
import org.merganser.linalg.Matrix;
import org.merganser.model.Role;

/** Which of its two maps a parameter takes: T where features are written, S where they are read. */
enum Side {
  OUT,
  IN;

  static Side of(Role role) {
    return role == Role.WEIGHT_IN ? IN : OUT;
  }

  /** The matrix of a dense map, which owns it; empty for one-to-one maps. */
  Optional<Matrix> of(FeatureMap map) {
    if (map instanceof LinearMap linear) {
      return Optional.of(this == OUT ? linear.matrix() : linear.inverseMatrix());
    }
    if (map instanceof MapPair pair) {
      return Optional.of(this == OUT ? pair.out() : pair.in());
    }
    return Optional.empty();
  }

  /** Whether a map mixes features, so that variances do not follow it. */
  static boolean isDense(FeatureMap map) {
    return OUT.of(map).isPresent();
  }
}
