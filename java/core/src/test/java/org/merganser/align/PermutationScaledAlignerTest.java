// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.MapFamily;
import org.merganser.stats.Moments;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

class PermutationScaledAlignerTest {
  private static final Aligner ALIGNER = new PermutationScaledAligner();

  /** y = (x1 / 4, 3 x2, x0): deviations of x are those of y over 1/4, 3 and 1. */
  @Test
  void eachFeatureGetsTheDeviationOfItsPartner() {
    double[][] x = Oracle.gaussian(50, 3, 1);
    double[][] y = new double[50][];
    for (int i = 0; i < 50; i++) {
      y[i] = new double[] {x[i][1] / 4, 3 * x[i][2], x[i][0]};
    }
    SpaceAlignment found = align(x, y);
    ScaledPermutation map = (ScaledPermutation) found.map();
    assertThat(map.permutation()).containsExactly(2, 0, 1);
    assertThat(map.scales()).containsExactly(new double[] {1, 4, 1 / 3.0}, within(1e-14));
    assertThat(found.score()).isCloseTo(1, within(1e-12));
  }

  @Test
  void whatNeverVariesKeepsItsScale() {
    double[][] x = {{1, 5}, {2, 5}, {4, 5}};
    double[][] y = {{7, 2}, {7, 4}, {7, 8}};
    ScaledPermutation map = (ScaledPermutation) align(x, y).map();
    assertThat(map.permutation()).containsExactly(1, 0);
    assertThat(map.scales()).containsExactly(0.5, 1);
  }

  /** A model whose features were permuted and scaled comes back, and keeps what it computes. */
  @Test
  void aPlantedScaledPermutationIsUndone() throws IOException {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 6, 17, 9, 4);
    MemoryCheckpoint a = network.random(DType.F64, 1, WS);
    Map<String, FeatureMap> planted = Map.of("fc0", scaled(17, 2), "fc1", scaled(9, 3));
    MemoryCheckpoint b =
        MemoryCheckpoint.copyOf(
            Alignment.of("planted", network.architecture(), planted).apply(a), WS);
    double[][] inputs = Oracle.gaussian(400, 6, 4);
    Moments moments =
        network.moments(List.of(a, b), inputs, ALIGNER.request(network.architecture()), WS);
    Alignment found = ALIGNER.align(AlignmentProblem.of(network.architecture(), moments), WS).of(1);
    assertThat(found.isExact()).isTrue();
    Models.assertClose("aligned", found.apply(b), a, 1e-9, WS);
    Verification verification = found.verify(network, b, JavaNetwork.inputs(inputs, 50), WS);
    assertThat(verification.outputChange().orElseThrow()).isLessThan(1e-12);
  }

  /** Exactness follows from the space: a tanh does not pass scales on. */
  @Test
  void itIsExactWhereScalesAre() {
    double[][] x = Oracle.gaussian(50, 3, 1);
    double[][] y = Oracle.scale(x, 2);
    for (MapFamily symmetry : MapFamily.values()) {
      AlignmentProblem problem =
          AlignmentProblem.of(
              Activations.oneSpace(3, symmetry),
              Activations.of(Activations.moments(Precision.F64, WS, x, y)));
      boolean exact =
          switch (symmetry) {
            case FIXED, SCALED_PERMUTATION, MONOMIAL, ANY_LINEAR -> true;
            default -> false;
          };
      assertThat(ALIGNER.align(problem, WS).of(1).isExact()).as("%s", symmetry).isEqualTo(exact);
    }
  }

  private static ScaledPermutation scaled(int n, long seed) {
    double[] scales = new double[n];
    for (int i = 0; i < n; i++) {
      scales[i] = 0.25 + i;
    }
    return ScaledPermutation.of(Oracle.permutation(n, seed), scales);
  }

  private static SpaceAlignment align(double[][] x, double[][] y) {
    AlignmentProblem problem =
        AlignmentProblem.of(
            Activations.oneSpace(x[0].length, MapFamily.SCALED_PERMUTATION),
            Activations.of(Activations.moments(Precision.F64, WS, x, y)));
    return ALIGNER.align(problem, WS).of(1).spaces().get("s");
  }
}
