// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;

/** Activations of other samples give numbers too, so who exports them can say which they are of. */
class SampleIdsTest {
  @TempDir Path folder;
  private Path a;
  private Path b;

  @BeforeEach
  void export() throws IOException {
    a = Files.createDirectory(folder.resolve("a"));
    b = Files.createDirectory(folder.resolve("b"));
    Npy.write(Matrix.of(new double[][] {{1, 2}, {3, 5}, {4, 1}}).asTensor(), a.resolve("fc1.npy"));
    Npy.write(Matrix.of(new double[][] {{2}, {1}, {5}}).asTensor(), b.resolve("fc1.npy"));
  }

  private void ids(Path side, String... ids) throws IOException {
    Files.writeString(side.resolve("samples.txt"), String.join("\n", ids) + "\n");
  }

  private void refused(String message) {
    assertThatThrownBy(() -> SimilarityGrid.files(a, b, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(message);
  }

  @Test
  void theSameSamplesAreTaken() throws IOException {
    ids(a, "cat-1", "dog-7", "owl-2");
    ids(b, "cat-1", "dog-7", "owl-2");
    try (SimilarityGrid.Source source = SimilarityGrid.files(a, b, WS)) {
      assertThat(source.samples()).isEqualTo(3);
      assertThat(source.layersA()).hasSize(1);
    }
  }

  @Test
  void anotherOrderIsRefused() throws IOException {
    ids(a, "cat-1", "dog-7", "owl-2");
    ids(b, "cat-1", "owl-2", "dog-7");
    refused(
        "sample 1 is 'dog-7' in %s and 'owl-2' in %s; export the same samples in the same order"
            .formatted(a.resolve("samples.txt"), b.resolve("samples.txt")));
  }

  @Test
  void linesAreSamples() throws IOException {
    ids(a, "cat-1", "dog-7", "owl-2");
    ids(b, "cat-1", "dog-7");
    refused(b.resolve("samples.txt") + " has 2 lines for 3 samples");
  }

  @Test
  void oneSideAloneCannotBeCompared() throws IOException {
    ids(b, "cat-1", "dog-7", "owl-2");
    refused(
        "%s says which samples these are, and there is no %s; write both, or neither"
            .formatted(b.resolve("samples.txt"), a.resolve("samples.txt")));
  }
}
