// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Rotations with and without the ratio of sizes, and how a doubly mapped weight is rounded. */
class ScaledProcrustesTest {
  private final double[][] x = Oracle.gaussian(200, 7, 1);
  private final double[][] q = Oracle.orthogonal(7, 2);

  @Test
  void rotatedAndEnlargedActivationsAreRotatedAndShrunkBack() {
    double[][] y = Oracle.scale(Oracle.multiply(x, Oracle.transpose(q)), 3);
    SpaceAlignment scaled = align(ProcrustesAligner.scaled(), y);
    Close.absolute(
        "T", scaled.map().toMatrix(WS), Oracle.scale(Oracle.transpose(q), 1.0 / 3), 1e-12);
    Close.absolute("T^-1", scaled.map().inverse().toMatrix(WS), Oracle.scale(q, 3), 1e-12);
    assertThat(scaled.score()).isCloseTo(1, within(1e-12));
    SpaceAlignment plain = align(ProcrustesAligner.orthogonal(), y);
    Close.absolute("T", plain.map().toMatrix(WS), Oracle.transpose(q), 1e-12);
    assertThat(plain.map().family()).contains(MapFamily.ORTHOGONAL);
    assertThat(plain.score()).isCloseTo(1, within(1e-12));
  }

  @Test
  void ccaWithALargeRelativeGammaIsScaledProcrustes() {
    double[][] y = Oracle.scale(Oracle.multiply(x, Oracle.mixing(7, 3)), 5);
    Close.relative(
        "T",
        align(CcaAligner.relativeGamma(1e9), y).map().toMatrix(WS),
        align(ProcrustesAligner.scaled(), y).map().toMatrix(WS).toArray(),
        1e-8);
    Close.relative(
        "T",
        align(CcaAligner.absoluteGamma(1e10), y).map().toMatrix(WS),
        align(ProcrustesAligner.orthogonal(), y).map().toMatrix(WS).toArray(),
        1e-7);
  }

  private SpaceAlignment align(Aligner aligner, double[][] y) {
    AlignmentProblem problem =
        AlignmentProblem.of(
            Activations.oneSpace(7, MapFamily.ANY_LINEAR),
            Activations.of(Activations.moments(Precision.F64, WS, x, y)));
    return aligner.align(problem, WS).of(1).spaces().get("s");
  }

  /** {@code T_out W T_in^-1} of a BF16 weight: rounded after both products, not after each. */
  @Test
  void twoDenseMapsRoundOnce() throws IOException {
    int n = 33;
    double[][] out = Oracle.mixing(n, 4);
    double[][] in = Oracle.mixing(n, 5);
    Architecture architecture =
        Architecture.builder()
            .space("a", n, MapFamily.ANY_LINEAR, Binding.of("w", 1, Role.WEIGHT_IN))
            .space("b", n, MapFamily.ANY_LINEAR, Binding.of("w", 0, Role.WEIGHT_OUT))
            .build();
    Tensor w = Activations.tensor(DType.BF16, Oracle.gaussian(n, n, 6), WS);
    double[][] values = new double[n][n];
    for (int i = 0; i < n * n; i++) {
      values[i / n][i % n] = w.get(i);
    }
    double[][] inverse = Oracle.inverse(in);
    double[][] expected = Oracle.multiply(out, Oracle.multiply(values, inverse));
    Tensor mapped =
        Alignment.of(
                "test",
                architecture,
                Map.of(
                    "a", LinearMap.of(Matrix.of(in), Matrix.of(inverse)),
                    "b", LinearMap.of(Matrix.of(out), Matrix.of(Oracle.inverse(out)))))
            .apply(MemoryCheckpoint.of(Map.of("w", w)))
            .read("w", WS);
    for (int i = 0; i < n * n; i++) {
      assertThat(mapped.memory().getShort(2L * i))
          .as("element %s", i)
          .isEqualTo(Oracle.bfloat16(expected[i / n][i % n]));
    }
  }
}
