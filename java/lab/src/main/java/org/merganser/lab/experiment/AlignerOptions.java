// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.method.Setting;
import org.merganser.plan.Catalogue;

/** Settings of experiments that align models: by which methods. */
public record AlignerOptions(
    @Setting(
            "aligners to compare, with settings: permutation,cca:gamma=0.1; of several values,"
                + " gamma=0.1/1/10, each group takes the one that is best on samples not trained"
                + " on")
        String aligners,
    @Setting(
            value =
                "short for the setting gamma of every aligner that has one; of several as above",
            min = 0)
        List<Double> gamma) {
  public AlignerOptions {
    gamma = gamma.stream().distinct().toList();
    Choice.of(Catalogue.aligners(), aligned(aligners, gamma));
    boolean used = !aligned(aligners, gamma).equals(Catalogue.Methods.split(aligners));
    ExperimentOptions.refuse(
        "gamma", !gamma.isEmpty() && !used, "none of --aligners has a setting gamma");
  }

  /** These aligners, each with its own gamma. */
  public static AlignerOptions defaults(String aligners) {
    return new AlignerOptions(aligners, List.of());
  }

  /** The aligners, {@code gamma} put into those that have such a setting and do not set it. */
  List<String> aligned() {
    return aligned(aligners, gamma);
  }

  private static List<String> aligned(String aligners, List<Double> gamma) {
    List<String> values = gamma.stream().map(String::valueOf).toList();
    String setting = "gamma=" + String.join("/", values);
    return Catalogue.Methods.split(aligners).stream()
        .map(
            text -> {
              String id = Catalogue.aligners().id(text);
              boolean used =
                  !gamma.isEmpty()
                      && Catalogue.aligners().entry(id).settings().has("gamma")
                      && !text.contains("gamma=");
              return used ? Catalogue.Methods.with(text, setting) : text;
            })
        .toList();
  }
}
