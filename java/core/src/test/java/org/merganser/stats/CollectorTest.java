// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Oracle;

/** Moments from forward passes. */
class CollectorTest {
  private static final JavaNetwork NETWORK = JavaNetwork.mlp(Activation.NONE, 3, 4, 2);

  @Test
  void activationsOfEveryModelSeeTheSameInputs() throws IOException {
    MemoryCheckpoint a = NETWORK.random(DType.F64, 1, WS);
    MemoryCheckpoint b = NETWORK.random(DType.F64, 2, WS);
    double[][] inputs = Oracle.gaussian(70, 3, 3);
    SpaceMoments found = NETWORK.moments(List.of(a, b), inputs, Activations.ALL, WS).space("fc0");
    assertThat(found.samples()).isEqualTo(70);
    Close.relative(
        "cross",
        found.covariance(0, 1, WS),
        Oracle.covariance(hidden(a, inputs), hidden(b, inputs)),
        1e-12);
  }

  /** The hidden layer by hand: no activation, so it is {@code x W^T + b}. */
  private static double[][] hidden(MemoryCheckpoint model, double[][] inputs) {
    double[] w = model.tensor("fc0.weight").toDoubleArray();
    double[] b = model.tensor("fc0.bias").toDoubleArray();
    double[][] h = new double[inputs.length][4];
    for (int s = 0; s < inputs.length; s++) {
      for (int i = 0; i < 4; i++) {
        h[s][i] = b[i];
        for (int j = 0; j < 3; j++) {
          h[s][i] += w[3 * i + j] * inputs[s][j];
        }
      }
    }
    return h;
  }

  @Test
  void modelsThatDoNotFitAreNamed() {
    Checkpoint good = NETWORK.random(DType.F32, 1, WS);
    Checkpoint other = JavaNetwork.mlp(Activation.NONE, 3, 5, 2).random(DType.F32, 1, WS);
    assertThatThrownBy(
            () -> NETWORK.moments(List.of(good, other), new double[2][3], Activations.ALL, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("model 1 does not fit the architecture:\n  space 'fc0'");
    assertThatThrownBy(() -> NETWORK.moments(List.of(), new double[2][3], Activations.ALL, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no models to collect statistics of");
  }

  @Test
  void aNetworkThatDivergesIsReported() {
    MemoryCheckpoint model = NETWORK.random(DType.F32, 1, WS);
    model.tensor("fc0.bias").set(2, Double.NaN);
    assertThatThrownBy(
            () -> NETWORK.moments(List.of(model), Oracle.gaussian(5, 3, 1), Activations.ALL, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space 'fc0': series 0, sample 0, feature 2: ");
  }

  @Test
  void requestsSayWhichBlocks() {
    var own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    var cross = StatisticsRequest.of(StatisticsRequest.Part.REFERENCE_CROSS);
    assertThat(own.pairs(3))
        .extracting(Object::toString)
        .containsExactly("Pair[i=0, j=0]", "Pair[i=1, j=1]", "Pair[i=2, j=2]");
    assertThat(cross.pairs(3))
        .extracting(Object::toString)
        .containsExactly("Pair[i=0, j=1]", "Pair[i=0, j=2]");
    assertThat(own.and(cross).pairs(3)).hasSize(5);
    assertThat(Activations.ALL.pairs(3)).hasSize(6);
    assertThat(StatisticsRequest.NONE.pairs(3)).isEmpty();
    assertThatThrownBy(() -> new Moments.Options(Precision.F64, NonFinite.FAIL, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("statistics budget must be positive, not 0");
  }
}
