// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.Locale;

/** What an axis of a parameter does with the features of a space. */
public enum Role {
  /** Produces the features: multiplied by T. */
  WEIGHT_OUT,
  /** Consumes them: multiplied by the inverse of T from the right. */
  WEIGHT_IN,
  /** One value a feature, added to it: multiplied by T. */
  BIAS,
  /**
   * Scale of a normalisation, one value a feature: multiplied by the magnitudes of a one-to-one T,
   * since what is normalised takes its signs; dense maps by a rule.
   */
  NORM_SCALE,
  /** Shift of a normalisation: multiplied by T. */
  NORM_SHIFT,
  /** Running mean: multiplied by T; stale under a dense map. */
  RUNNING_MEAN,
  /** Running variance: multiplied by T, scales squared; stale under a dense map. */
  RUNNING_VAR;

  /** As in a builder file: {@code weight-out}. */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
