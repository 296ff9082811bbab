// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

/**
 * How merged models of networks with batch normalisation get their scales and shifts; running
 * statistics are taken anew after each.
 */
public enum BatchNormTreatment {
  /** {@code NormRule.spread()}, the default of the library. */
  SPREAD("bn-reset", "running statistics of batch normalisation taken anew"),
  /** {@code NormRule.mapped()}, as published. */
  MAPPED("mapped", "scales and shifts of batch normalisation mapped like weights, then reset"),
  /** {@code NormRule.reference()}. */
  REFERENCE("reference", "with the reference's scales and shifts, then reset"),
  /** {@code BatchNormFold}: folded, merged, unfolded with scale and shift of the reference. */
  FOLD(
      "fold",
      "merged without batch normalisation, put back with the reference's scales and shifts, then"
          + " reset");

  private final String row;
  private final String meaning;

  BatchNormTreatment(String row, String meaning) {
    this.row = row;
    this.meaning = meaning;
  }

  /** End of the name of its row. */
  String row() {
    return row;
  }

  String meaning() {
    return meaning;
  }
}
