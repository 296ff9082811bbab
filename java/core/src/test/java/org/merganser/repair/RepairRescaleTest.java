// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.AffineLayer;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.NormedMlp;
import org.merganser.testing.Oracle;

/** REPAIR on a network in plain Java. */
class RepairRescaleTest {
  private static final NormedMlp NETWORK = new NormedMlp(false, 5, 8, 7, 3);
  private static final Inputs INPUTS = JavaNetwork.inputs(Oracle.gaussian(60, 5, 9), 25);

  static IntStream seeds() {
    return IntStream.range(0, 10);
  }

  private static Moments layers(List<? extends Checkpoint> models) throws IOException {
    Map<String, Long> widths = new LinkedHashMap<>();
    NETWORK.affineLayers().forEach(layer -> widths.put(layer.output(), layer.width()));
    return Moments.collect(
        NETWORK,
        widths,
        Mode.EVAL,
        models,
        INPUTS,
        StatisticsRequest.NONE,
        Moments.Options.defaults(),
        WS);
  }

  private static Checkpoint average(List<Checkpoint> models, double... weights) {
    return LinearMerger.weights(weights).merge(MergeProblem.of(NETWORK.architecture(), models), WS);
  }

  private static double deviation(SpaceMoments moments, int model, int feature) {
    return Math.sqrt(moments.variance(model)[feature]);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void everyHiddenLayerGetsTheStatisticsOfItsEndpoints(int seed) throws IOException {
    try (MemoryCheckpoint a = NETWORK.random(DType.F64, seed, WS);
        MemoryCheckpoint b = NETWORK.random(DType.F64, seed + 100, WS)) {
      List<Checkpoint> models = List.of(a, b);
      List<Double> weights = List.of(0.7, 0.3);
      Checkpoint merged = average(models, 0.7, 0.3);
      RepairProblem problem = new RepairProblem(NETWORK, merged, models, weights, INPUTS);
      try (MemoryCheckpoint repaired = RepairRescale.measured().apply(problem, WS);
          Moments ends = layers(models);
          Moments after = layers(List.of(repaired))) {
        for (String layer : List.of("fc0/out", "fc1/out")) {
          SpaceMoments goal = ends.space(layer);
          SpaceMoments found = after.space(layer);
          for (int f = 0; f < found.width(0); f++) {
            double mean = 0;
            double deviation = 0;
            for (int k = 0; k < 2; k++) {
              mean += weights.get(k) * goal.mean(k)[f];
              deviation += weights.get(k) * deviation(goal, k, f);
            }
            assertThat(found.mean(0)[f]).as(layer).isCloseTo(mean, within(1e-9));
            assertThat(deviation(found, 0, f)).as(layer).isCloseTo(deviation, within(1e-9));
          }
        }
        assertThat(repaired.tensors()).isEqualTo(merged.tensors());
        try (Tensor head = merged.read("head.weight", WS)) {
          assertThat(repaired.tensor("head.weight").sameBytes(head)).isTrue();
        }
      }
    }
  }

  /** At the first layer the average of outputs is the output of the average: both forms agree. */
  @ParameterizedTest
  @MethodSource("seeds")
  void theClosedFormIsExactAtTheFirstLayer(int seed) throws IOException {
    try (MemoryCheckpoint a = NETWORK.random(DType.F64, seed, WS);
        MemoryCheckpoint b = NETWORK.random(DType.F64, seed + 100, WS);
        MemoryCheckpoint c = NETWORK.random(DType.F64, seed + 200, WS)) {
      List<Checkpoint> models = List.of(a, b, c);
      double third = 1.0 / 3;
      RepairProblem problem =
          RepairProblem.of(NETWORK, average(models, third, third, third), models, INPUTS);
      try (MemoryCheckpoint measured = RepairRescale.measured().apply(problem, WS);
          MemoryCheckpoint closed = RepairRescale.closedForm().apply(problem, WS)) {
        for (String name : List.of("fc0.weight", "fc0.bias")) {
          assertThat(elements(closed, name))
              .containsExactly(elements(measured, name), within(1e-9));
        }
        assertThat(elements(closed, "fc1.weight")[0])
            .isNotCloseTo(elements(measured, "fc1.weight")[0], within(1e-6));
      }
    }
  }

  private static double[] elements(Checkpoint model, String name) throws IOException {
    try (Tensor tensor = model.read(name, WS)) {
      return tensor.toDoubleArray();
    }
  }

  /** The merged model is its own endpoint: nothing is to be corrected. */
  @Test
  void aModelIsLeftAsItIs() throws IOException {
    try (MemoryCheckpoint model = NETWORK.random(DType.F64, 1, WS)) {
      RepairProblem problem = RepairProblem.of(NETWORK, model, List.of(model), INPUTS);
      for (RepairRescale form : List.of(RepairRescale.measured(), RepairRescale.closedForm())) {
        try (MemoryCheckpoint repaired = form.apply(problem, WS)) {
          for (AffineLayer layer : NETWORK.affineLayers()) {
            assertThat(elements(repaired, layer.weight()))
                .containsExactly(elements(model, layer.weight()), within(1e-12));
          }
        }
      }
    }
  }

  @Test
  void aFeatureThatNeverVariesIsShiftedOnly() throws IOException {
    try (MemoryCheckpoint a = NETWORK.random(DType.F64, 1, WS);
        MemoryCheckpoint b = NETWORK.random(DType.F64, 2, WS)) {
      for (int j = 0; j < 5; j++) {
        b.tensor("fc0.weight").set(j, -a.tensor("fc0.weight").get(j));
      }
      List<Checkpoint> models = List.of(a, b);
      RepairProblem problem = RepairProblem.of(NETWORK, average(models, 0.5, 0.5), models, INPUTS);
      try (MemoryCheckpoint repaired = RepairRescale.measured().apply(problem, WS);
          Moments ends = layers(models)) {
        SpaceMoments goal = ends.space("fc0/out");
        assertThat(elements(repaired, "fc0.weight")).startsWith(0, 0, 0, 0, 0);
        assertThat(elements(repaired, "fc0.bias")[0])
            .isCloseTo((goal.mean(0)[0] + goal.mean(1)[0]) / 2, within(1e-12));
      }
    }
  }

  @Test
  void weightsAreOfTheEndpoints() {
    assertThatThrownBy(() -> new RepairProblem(NETWORK, null, List.of(), List.of(1.0), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("1 weights for 0 endpoints; give one for each");
  }
}
