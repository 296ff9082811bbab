// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.List;
import org.merganser.recipe.SkillTransfer;
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

  /**
   * As {@link SkillTransfer.Options#parse} takes them.
   *
   * @throws IllegalArgumentException naming the option that it does not take
   */
  String text() {
    List<String> all = new ArrayList<>();
    if (residual != null) {
      all.add(setting(RESIDUAL, "residual", residual));
    }
    if (scales != null) {
      all.add(setting(SCALES, "scales", scales));
    }
    if (untie) {
      all.add("untie=true");
    }
    all.addAll(settings);
    return checked(String.join(",", all), "symmetry", SETTINGS);
  }

  /** One setting that has an option of its own. */
  static String setting(String option, String name, String value) {
    return checked(name + "=" + value, "symmetry: " + name, option);
  }

  private static String checked(String text, String place, String option) {
    try {
      SkillTransfer.Options.parse(text);
      return text;
    } catch (IllegalArgumentException e) {
      String message = e.getMessage();
      throw new IllegalArgumentException(
          message.startsWith(place) ? option + message.substring(place.length()) : message, e);
    }
  }
}
