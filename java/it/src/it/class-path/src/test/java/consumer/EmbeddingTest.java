// SPDX-License-Identifier: Apache-2.0
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;

/** The native library is found and computes. */
class EmbeddingTest {
  @Test
  void computes() {
    try (Workspace ws = Workspace.open();
        Matrix sxx = Matrix.of(new double[][] {{2, 1}, {1, 2}});
        Matrix syy = Matrix.of(new double[][] {{14, 5}, {5, 2}});
        Matrix sxy = Matrix.of(new double[][] {{4, 1}, {5, 2}});
        Cca cca = Cca.map(sxx, syy, sxy, 0, 0, ws)) {
      assertEquals(-2, cca.map().get(0, 1), 1e-12);
    }
  }
}
