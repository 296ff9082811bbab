// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.internal.kernel.Codes;

/**
 * How an orthogonal factor was completed on the null space of a rank-deficient matrix, where the
 * data say nothing. With {@code K = U_r S V_r^T} and null bases {@code U_0, V_0} the factor is
 * {@code Q = U_r V_r^T + U_0 polar(U_0^T P V_0) V_0^T}, the nearest to P whatever bases the solver
 * chose.
 */
public enum Completion {
  /** Full rank: nothing to complete. */
  NONE,
  /** P is the identity. */
  IDENTITY,
  /** P is the best one-to-one matching of features, since the identity gave a singular matrix. */
  ASSIGNMENT,
  /** Neither fixed the null space; its directions were paired in index order. */
  INDEX;

  static Completion of(int code) {
    return switch (code) {
      case Codes.COMPLETION_NONE -> NONE;
      case Codes.COMPLETION_IDENTITY -> IDENTITY;
      case Codes.COMPLETION_ASSIGNMENT -> ASSIGNMENT;
      case Codes.COMPLETION_INDEX -> INDEX;
      default -> throw new IllegalArgumentException("completion " + code);
    };
  }
}
