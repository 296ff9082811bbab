// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.List;

/**
 * What becomes of tensors that models do not have alike; otherwise they are refused.
 *
 * @param commonRows whether embeddings and heads are cut to the rows that all have
 * @param copied parts of names of tensors that are the base's (without one, the first model's):
 *     integers and masks that differ cannot be merged
 */
public record Fit(boolean commonRows, List<String> copied) {
  /** All must be alike. */
  public static final Fit EXACT = new Fit(false, List.of());

  public Fit {
    copied = List.copyOf(copied);
  }

  /** Whether a tensor is the base's. */
  boolean isCopied(String name) {
    return copied.stream().anyMatch(name::contains);
  }
}
