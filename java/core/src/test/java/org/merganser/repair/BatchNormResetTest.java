// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.NormedMlp;
import org.merganser.testing.Oracle;

/** Running statistics taken anew, on a network in plain Java. */
class BatchNormResetTest {
  private static final NormedMlp NETWORK = new NormedMlp(true, 5, 7, 6, 3);

  private static MemoryCheckpoint reset(Checkpoint model, double[][] x, int batch)
      throws IOException {
    return new BatchNormReset().apply(model, NETWORK, JavaNetwork.inputs(x, batch), WS);
  }

  static IntStream seeds() {
    return IntStream.range(0, 10);
  }

  /** What the first layer reads does not depend on batches: totals, not averages of averages. */
  @ParameterizedTest
  @CsvSource({"7", "16", "50"})
  void statisticsAreThoseOfAllSamplesWhateverTheBatches(int batch) throws IOException {
    double[][] x = Oracle.gaussian(50, 5, 3);
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, 1, WS);
        MemoryCheckpoint reset = reset(model, x, batch)) {
      double[] w = model.tensor("fc0.weight").toDoubleArray();
      double[] b = model.tensor("fc0.bias").toDoubleArray();
      double[] means = host(reset.tensor("bn0.running_mean")).toDoubleArray();
      double[] variances = host(reset.tensor("bn0.running_var")).toDoubleArray();
      for (int c = 0; c < 7; c++) {
        double[] z = new double[50];
        double mean = 0;
        for (int i = 0; i < 50; i++) {
          z[i] = b[c];
          for (int j = 0; j < 5; j++) {
            z[i] += w[5 * c + j] * x[i][j];
          }
          mean += z[i] / 50;
        }
        double variance = 0;
        for (double value : z) {
          variance += (value - mean) * (value - mean) / 49;
        }
        assertThat(means[c]).isCloseTo(mean, within(1e-12));
        assertThat(variances[c]).isCloseTo(variance, within(1e-12));
      }
      assertThat(reset.tensor("bn1.num_batches_tracked").memory().getLong(0))
          .isEqualTo((50 + batch - 1) / batch);
      for (String learned : List.of("fc0.weight", "bn0.weight", "bn1.bias", "head.bias")) {
        assertThat(reset.tensor(learned).sameBytes(model.tensor(learned))).as(learned).isTrue();
      }
    }
  }

  /** With one batch, evaluation is what training mode computed, but for n against n - 1. */
  @ParameterizedTest
  @MethodSource("seeds")
  void evaluationAgreesWithTrainingMode(int seed) throws IOException {
    double[][] x = Oracle.gaussian(400, 5, 100 + seed);
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, seed, WS);
        MemoryCheckpoint reset = reset(model, x, 400)) {
      double[] wanted = NETWORK.outputs(model, x, Mode.TRAIN, WS);
      double[] found = NETWORK.outputs(reset, x, Mode.EVAL, WS);
      double[] before = NETWORK.outputs(model, x, Mode.EVAL, WS);
      assertThat(distance(found, wanted)).isLessThan(0.01);
      assertThat(distance(before, wanted)).isGreaterThan(0.05);
    }
  }

  private static double distance(double[] found, double[] wanted) {
    double apart = 0;
    double size = 0;
    for (int i = 0; i < wanted.length; i++) {
      apart += (found[i] - wanted[i]) * (found[i] - wanted[i]);
      size += wanted[i] * wanted[i];
    }
    return Math.sqrt(apart / size);
  }

  /** Types and metadata stay, and what the old statistics were does not matter. */
  @Test
  void whatWasStaleIsFreshAndNotLookedAt() throws IOException {
    double[][] x = Oracle.gaussian(30, 5, 3);
    try (MemoryCheckpoint model = NETWORK.random(DType.F32, 1, WS);
        MemoryCheckpoint wanted = reset(model, x, 10)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      model.tensors().keySet().forEach(name -> tensors.put(name, model.tensor(name)));
      model.tensor("bn1.running_var").set(0, Double.NaN);
      model.tensor("bn0.running_mean").set(2, 1e30);
      Set<String> stale = new java.util.LinkedHashSet<>();
      for (BatchNormLayer norm : NETWORK.batchNorms()) {
        stale.addAll(List.of(norm.mean(), norm.variance()));
      }
      Checkpoint old = MemoryCheckpoint.of(tensors, Map.of("made", "here"), stale);
      try (MemoryCheckpoint reset = reset(old, x, 10)) {
        assertThat(reset.stale()).isEmpty();
        assertThat(reset.metadata()).containsEntry("made", "here");
        assertThat(reset.tensors()).isEqualTo(model.tensors());
        for (String name : reset.tensors().keySet()) {
          assertThat(host(reset.tensor(name)).sameBytes(host(wanted.tensor(name))))
              .as(name)
              .isTrue();
        }
      }
    }
  }

  @Test
  void whatHasNoStatisticsIsRefused() {
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, 1, WS);
        MemoryCheckpoint plain = NETWORK.folded().random(DType.F64, 1, WS)) {
      assertThatThrownBy(() -> reset(model, new double[1][5], 1))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "batch normalisation 'bn0': one value of each feature has no variance; give more"
                  + " samples");
      assertThatThrownBy(
              () ->
                  new BatchNormReset()
                      .apply(plain, NETWORK.folded(), JavaNetwork.inputs(new double[4][5], 2), WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("use 'repair' instead of 'bn-reset'");
      model.tensor("fc0.weight").set(0, Double.NaN);
      assertThatThrownBy(() -> reset(model, Oracle.gaussian(9, 5, 1), 3))
          .isInstanceOf(NumericalException.class)
          .hasMessageStartingWith("space 'bn0/in': series 0, sample 0, feature 0: ");
    }
  }
}
