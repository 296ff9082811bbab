// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** How symmetries of transformers are found by weights. */
final class SymmetryOptions {
  static final String RESIDUAL = "--residual";
  static final String SCALES = "--scales";
  static final String UNTIE = "--untie";
  static final String SETTINGS = "--symmetry";

  @Option(
      names = RESIDUAL,
      paramLabel = "none|signed-permutation|orthogonal",
      description =
          "For transformers: what may become of the residual stream; models of one ancestor share"
              + " it (default: none).")
  String residual;

  @Option(
      names = SCALES,
      paramLabel = "none|balance|quartic",
      description = "For transformers: factors that cancel between two matrices (default: none).")
  String scales;

  @Option(
      names = UNTIE,
      description =
          "For transformers: a head that is the embedding becomes one of its own, as orthogonal maps"
              + " need it.")
  boolean untie;

  @Option(
      names = SETTINGS,
      paramLabel = "NAME=VALUE",
      description =
          "For transformers: another setting of the search, such as sweeps=20 or heads=false (may be"
              + " repeated; docs/skill-transfer.md).")
  List<String> settings = new ArrayList<>();

  /** Whether anything is said of the search; a tie may be undone without one. */
  boolean searches() {
    return residual != null || scales != null || !settings.isEmpty();
  }

  /** As {@link org.merganser.recipe.SkillTransfer.Options#parse} takes them. */
  String text() {
    List<String> all = new ArrayList<>();
    if (residual != null) {
      all.add("residual=" + residual);
    }
    if (scales != null) {
      all.add("scales=" + scales);
    }
    if (untie) {
      all.add("untie=true");
    }
    all.addAll(settings);
    return String.join(",", all);
  }
}
