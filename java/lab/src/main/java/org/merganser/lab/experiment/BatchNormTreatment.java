// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * How merged models of networks with batch normalisation get their scales and shifts; running
 * statistics are taken anew after each.
 */
public enum BatchNormTreatment {
  /** {@code NormRule.spread()}, the default of the library. */
  SPREAD("bn-reset"),
  /** {@code NormRule.mapped()}, as published. */
  MAPPED("mapped"),
  /** {@code NormRule.reference()}. */
  REFERENCE("reference"),
  /** {@code BatchNormFold}: folded, merged, unfolded with scale and shift of the reference. */
  FOLD("fold");

  private final String suffix;

  BatchNormTreatment(String suffix) {
    this.suffix = suffix;
  }

  /** As on the command line. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The row of an aligner with it. */
  String row(String aligner) {
    return aligner + "+" + suffix;
  }

  /**
   * The treatment of that id.
   *
   * @throws IllegalArgumentException naming the known ones
   */
  public static BatchNormTreatment of(String id) {
    return Arrays.stream(values())
        .filter(known -> known.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no treatment of batch normalisation '" + id + "'; there are " + ids()));
  }

  private static String ids() {
    List<String> ids = Arrays.stream(values()).map(BatchNormTreatment::id).toList();
    return ids.stream().collect(Collectors.joining(", "));
  }
}
