// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.Split;

/** Settings that make no sense are refused before anything is done. */
class RefusedSettingsTest {
  private static NpMergeExperiment.Options np() {
    return NpMergeExperiment.Options.defaults().with("data", "blobs").with("train", 600);
  }

  @Test
  void ofCcaMerge() {
    assertThatThrownBy(() -> CcaMergeExperimentTest.options(1, 1, 1, null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("models must be at least 2, not 1");
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "blobs")
                    .with("points", 1))
        .hasMessage("points must be 0 or at least 2, not 1");
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "blobs")
                    .with("models", 3)
                    .with("split", Split.EIGHTY_TWENTY))
        .hasMessage("the split 80-20 is for 2 models, not 3");
    assertThatThrownBy(() -> CcaMergeExperimentTest.options(2, 0, 1, null))
        .hasMessage("seeds must be at least 1, not 0");
    assertThatThrownBy(() -> CcaMergeExperimentTest.options(2, 1, 0, null))
        .hasMessage("epochs must be at least 1, not 0");
    for (double gamma : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThatThrownBy(
              () ->
                  CcaMergeExperiment.Options.defaults()
                      .with("repair", false)
                      .with("data", "blobs")
                      .with("gamma", gamma))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("cca: gamma must be finite and at least 0, not " + gamma);
    }
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "blobs")
                    .with("hidden", 0))
        .hasMessage("hidden must be in [1, 1000000], not 0");
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "blobs")
                    .with("layers", 0))
        .hasMessage("layers must be in [1, 1000], not 0");
    assertThatThrownBy(
            () ->
                CcaMergeExperiment.Options.defaults()
                    .with("repair", false)
                    .with("data", "blobs")
                    .with("train", 1))
        .hasMessage("train must be at least 2, not 1");
  }

  @Test
  void ofNpMerge() {
    assertRefused(() -> np().with("batch", 0), "batch must be at least 1, not 0");
    assertRefused(() -> np().with("held-out", 1), "held-out must be in [0, 1), not 1.0");
    assertRefused(() -> np().with("held-out", Double.NaN), "held-out must be in [0, 1), not NaN");
    assertRefused(() -> np().with("steps", 0), "steps must be at least 1, not 0");
    assertRefused(
        () -> np().with("learning-rate", 0),
        "learning-rate must be finite and greater than 0, not 0.0");
    assertRefused(
        () -> np().with("state", "a.npstate"),
        "state is the file of one run, and an experiment makes many; drop it");
    assertRefused(
        () -> np().with("init-uniform", true),
        "init-uniform says where later rounds begin, and two models have one; drop it, or give"
            + " --models");
    assertRefused(
        () -> np().with("initial", List.of(0.2, 0.3, 0.5)),
        "initial must have 2 coefficients, since two models are merged at a time, not"
            + " [0.2, 0.3, 0.5]");
    assertRefused(() -> np().with("np-train", 1), "np-train must be at least 2, not 1");
    assertRefused(() -> np().with("samples", List.of(128, 0)), "samples must be at least 2, not 0");
    assertRefused(
        () -> np().with("models", 9), "models must be at most 8 to be merged jointly, not 9");
    assertRefused(
        () -> np().with("aligners", "cca,cca"),
        "a method is there twice in [cca, cca]; name each once");
    assertRefused(() -> np().with("seeds", 0), "seeds must be at least 1, not 0");
    for (NpMergeExperiment.Options more :
        List.of(np().with("np-train", 601), np().with("samples", List.of(64, 601)))) {
      try (Workspace ws = Workspace.builder().threads(1).open()) {
        assertThatThrownBy(() -> new NpMergeExperiment(more).run(ws))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageMatching(
                "(np-train|samples) must be at most 600, the number of training samples used, not"
                    + " 601; train says how many are used");
      }
    }
  }

  private static void assertRefused(ThrowingCallable options, String message) {
    assertThatThrownBy(options).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }
}
