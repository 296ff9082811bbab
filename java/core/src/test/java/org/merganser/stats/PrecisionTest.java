// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.align.PermutationAligner;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Tensor;
import org.merganser.model.MapFamily;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Statistics of activations of any size are right, or refused with the way out. */
class PrecisionTest {
  private final double[][] x = Oracle.gaussian(300, 6, 1);
  private final double[][] y = Oracle.gaussian(300, 6, 2);

  private SpaceMoments moments(DType dtype, double scale) {
    double[][] scaledX = Oracle.scale(x, scale);
    double[][] scaledY = Oracle.scale(y, scale);
    try (MomentAccumulator accumulator =
        Activations.accumulator(Precision.AUTO, WS, scaledX, scaledY)) {
      List<Tensor> batch = Activations.tensors(dtype, WS, scaledX, scaledY);
      accumulator.update(batch);
      return accumulator.moments();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "F64, 1, 1e-13",
    "F64, 1e-23, 1e-13",
    "F64, 1e-130, 1e-13",
    "F64, 1e100, 1e-13",
    "F32, 1, 1e-5",
    "F32, 1e-23, 1e-5",
    "F32, 1e-32, 1e-5",
    "F32, 1e20, 1e-5",
    "F32, 1e30, 1e-5"
  })
  void correlationsDoNotDependOnTheScale(DType dtype, double scale, double tolerance) {
    SpaceMoments want = Activations.moments(Precision.F64, WS, x, y);
    SpaceMoments found = moments(dtype, scale);
    for (int model = 0; model < 2; model++) {
      Close.relative(
          "correlation",
          found.correlation(0, model, WS),
          array(want.correlation(0, model, WS)),
          tolerance);
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1e-130, 1e-23, 1e20, 1e100})
  void mapsDoNotDependOnTheScale(double scale) {
    for (String method : List.of("permutation", "cca")) {
      double[][][] maps = new double[2][][];
      for (int k = 0; k < 2; k++) {
        Moments moments = Activations.of(moments(DType.F64, k == 0 ? 1 : scale));
        AlignmentProblem problem =
            AlignmentProblem.of(Activations.oneSpace(6, MapFamily.ANY_LINEAR), moments);
        maps[k] =
            (method.equals("cca")
                    ? CcaAligner.relativeGamma(1).align(problem, WS)
                    : PermutationAligner.byCorrelation().align(problem, WS))
                .of(1)
                .map("s")
                .toMatrix(WS)
                .toArray();
      }
      for (int r = 0; r < 6; r++) {
        for (int c = 0; c < 6; c++) {
          assertThat(maps[1][r][c]).isCloseTo(maps[0][r][c], within(1e-9));
        }
      }
    }
  }

  @Test
  void whatCannotBeHeldIsRefusedWithTheWayOut() {
    assertThatThrownBy(() -> moments(DType.F32, 1e-35))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space 's': series 0: deviations of about")
        .hasMessageEndingWith("use the F64 mode (Precision.F64, --precision f64)");
    assertThatThrownBy(() -> moments(DType.F64, 1e-160))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("whose squares vanish; multiply the values by a constant first");
    assertThatThrownBy(() -> moments(DType.F64, 1e160))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space 's': series 0, feature 0: the sum of squares overflowed")
        .hasMessageEndingWith("divide the values by a constant first");
  }
}
