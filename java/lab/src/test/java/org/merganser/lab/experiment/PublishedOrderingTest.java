// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.ImageFiles;

/**
 * The finding of the CCA Merge paper at the scale of seconds: merging as they are, by permutation,
 * by CCA, and the models themselves come in this order, with room between them.
 */
class PublishedOrderingTest {
  @Test
  void onBlobs() throws IOException {
    ExperimentResult result = run(ExperimentOptions.BLOBS, 2, 3, 40, Blobs.TRAIN);
    assertOrdered(result);
    assertThat(accuracy(result, "cca") - accuracy(result, "permutation")).isGreaterThan(0.03);
    assertThat(accuracy(result, "base") - accuracy(result, "cca")).isLessThan(0.09);
  }

  @Test
  void withFiveModelsTheAdvantageGrows() throws IOException {
    ExperimentResult result = run(ExperimentOptions.BLOBS, 5, 2, 40, Blobs.TRAIN);
    assertOrdered(result);
    assertThat(accuracy(result, "cca") - accuracy(result, "permutation")).isGreaterThan(0.1);
  }

  @Test
  void onImages() throws IOException {
    assertOrdered(run(ExperimentOptions.EMBEDDED, 2, 3, 15, ImageFiles.DEFAULT_TRAIN));
  }

  private static void assertOrdered(ExperimentResult result) {
    assertThat(accuracy(result, "identity")).isLessThan(accuracy(result, "permutation"));
    assertThat(accuracy(result, "permutation")).isLessThan(accuracy(result, "cca"));
    assertThat(accuracy(result, "cca")).isLessThan(accuracy(result, "base"));
  }

  private static double accuracy(ExperimentResult result, String method) {
    return result.row(method).accuracy();
  }

  private static ExperimentResult run(String data, int models, int pairs, int epochs, int train)
      throws IOException {
    try (Workspace ws = Workspace.open()) {
      CcaMergeExperiment.Options options =
          CcaMergeExperiment.Options.defaults()
              .with("repair", false)
              .with("data", data)
              .with("models", models)
              .with("seeds", pairs)
              .with("epochs", epochs)
              .with("train", train);
      return new CcaMergeExperiment(options).run(ws);
    }
  }
}
