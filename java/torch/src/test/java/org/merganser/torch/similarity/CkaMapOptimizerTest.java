// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.cka.CkaMapLoss;
import org.merganser.cka.CkaTargets;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.model.PairedActivations;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.Vgg;

class CkaMapOptimizerTest {
  private static final TorchNetwork SMALL = TorchNetwork.mlp(6, 12, 3, 3, Activation.RELU);
  private static final CkaMapOptimizer.Options SHORT =
      CkaMapOptimizer.Options.defaults().with("epochs", 2).with("batch", 32);

  private static Workspace workspace(long seed) {
    return Workspace.builder().threads(1).seed(seed).open();
  }

  private static CkaMapOptimizer to(double[][] target, CkaMapOptimizer.Options options) {
    return new CkaMapOptimizer(SMALL, CkaMapOptimizer.layers(SMALL), target, options);
  }

  private static double[][] map(TorchNetwork network, MemoryCheckpoint model, Examples data)
      throws IOException {
    try (Workspace ws = workspace(0)) {
      return CkaMapOptimizer.map(
          PairedActivations.Model.of(network, List.of(model)),
          CkaMapOptimizer.layers(network),
          data,
          128,
          ws);
    }
  }

  private static double error(double[][] map, double[][] target) {
    int n = map.length;
    return IntStream.range(0, n * n)
        .mapToDouble(i -> Math.abs(map[i / n][i % n] - target[i / n][i % n]))
        .average()
        .orElseThrow();
  }

  /**
   * The bars of the publication's reproduction: all ones within 0.03 for at most 1.5 points,
   * identity within 0.08 for at most 6. The published 20 epochs; a short base.
   */
  @Test
  void mapsMoveAndAccuracyStays() throws IOException {
    try (ClusterTask task = new ClusterTask(0, 8000, 2048);
        MemoryCheckpoint teacher = task.trained(15, 0);
        Workspace ws = workspace(0)) {
      double before = Evaluation.of(ClusterTask.NETWORK, teacher, task.test, ws).accuracy();
      double[][] own = map(ClusterTask.NETWORK, teacher, task.test);
      List<double[][]> targets = List.of(CkaTargets.ones(8), CkaTargets.identity(8));
      double[] mostLost = {0.015, 0.06};
      double[] mostError = {0.03, 0.08};
      for (int t = 0; t < targets.size(); t++) {
        CkaMapOptimizer optimizer =
            new CkaMapOptimizer(
                ClusterTask.NETWORK,
                CkaMapOptimizer.layers(ClusterTask.NETWORK),
                targets.get(t),
                CkaMapOptimizer.Options.defaults());
        try (CkaMapOptimizer.Result moved = optimizer.run(teacher, task.train, ws)) {
          double[][] after = map(ClusterTask.NETWORK, moved.model(), task.test);
          assertThat(error(own, targets.get(t))).isGreaterThan(0.2);
          assertThat(error(after, targets.get(t))).isLessThan(mostError[t]);
          double accuracy =
              Evaluation.of(ClusterTask.NETWORK, moved.model(), task.test, ws).accuracy();
          assertThat(before - accuracy).isLessThan(mostLost[t]);
          assertThat(moved.dead()).isZero();
          // 57 batches in each of 20 epochs: 11 adaptations.
          assertThat(moved.losses()).hasSize(20 * 57);
          assertThat(moved.alphas()).hasSize(1 + 11);
        }
      }
    }
  }

  @Test
  void withoutWeightNothingMovesButWhatDecays() throws IOException {
    try (Examples data = Oracle.clusters(1, 400, 6, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4);
        Workspace ws = workspace(1);
        CkaMapOptimizer.Result moved =
            to(CkaTargets.identity(3), SHORT.with("alpha", 0.0)).run(teacher, data, ws)) {
      // The teacher follows itself.
      assertThat(moved.losses().get(0)).isCloseTo(0, within(1e-6));
      for (String name : SMALL.learned()) {
        double[] was = teacher.tensor(name).toDoubleArray();
        double[] is = moved.model().tensor(name).toDoubleArray();
        for (int i = 0; i < was.length; i++) {
          assertThat(is[i]).isCloseTo(was[i], within(0.05));
        }
      }
    }
  }

  @Test
  void theSameSeedGivesTheSameBytes() throws IOException {
    List<MemoryCheckpoint> found = new ArrayList<>();
    try (Examples data = Oracle.clusters(1, 400, 6, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4)) {
      for (long seed : new long[] {1, 1, 2}) {
        try (Workspace ws = workspace(seed)) {
          found.add(to(CkaTargets.ones(3), SHORT).run(teacher, data, ws).model());
        }
      }
      String weight = "fc1.weight";
      assertThat(found.get(0).tensor(weight).sameBytes(found.get(1).tensor(weight))).isTrue();
      assertThat(found.get(0).tensor(weight).sameBytes(found.get(2).tensor(weight))).isFalse();
      assertThat(found.get(0).tensor(weight).sameBytes(teacher.tensor(weight))).isFalse();
    } finally {
      found.forEach(MemoryCheckpoint::close);
    }
  }

  @Test
  void alphaFollowsTheAccuracyOnHeldOutSamples() throws IOException {
    CkaMapOptimizer.Options options = SHORT.with("epochs", 20);
    try (Examples data = Oracle.clusters(1, 400, 6, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4);
        Workspace ws = workspace(1)) {
      // 12 steps an epoch. 100 points below are always tolerated, so alpha only grows.
      try (CkaMapOptimizer.Result grown =
          to(CkaTargets.ones(3), options.with("tolerance", 100.0)).run(teacher, data, ws)) {
        assertThat(grown.alphas()).hasSize(3).first().isEqualTo(500.0);
        assertThat(grown.alphas().get(2)).isCloseTo(500 / 0.8 / 0.8, within(1e-9));
      }
      // Steps see all samples then, 13 batches an epoch; an untrained teacher is easily kept up
      // with.
      try (Examples others = Oracle.clusters(2, 100, 6, 3);
          CkaMapOptimizer.Result own =
              to(CkaTargets.ones(3), options).run(teacher, data, others, ws)) {
        assertThat(own.losses()).hasSize(20 * 13);
        assertThat(own.alphas()).hasSize(3);
      }
      try (CkaMapOptimizer.Result fixed =
          to(CkaTargets.ones(3), options.with("adaptive", false)).run(teacher, data, ws)) {
        assertThat(fixed.alphas()).containsExactly(500.0);
      }
    }
  }

  @Test
  void deadLayersAreLeftOutAndCounted() throws IOException {
    try (Examples data = Oracle.clusters(1, 400, 6, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4);
        Workspace ws = workspace(1)) {
      for (long i = 0; i < 12; i++) {
        teacher.tensor("fc2.bias").set(i, -1000);
      }
      try (CkaMapOptimizer.Result moved = to(CkaTargets.ones(3), SHORT).run(teacher, data, ws)) {
        // Nothing comes through fc2, so fc3 says the same of all samples as well.
        assertThat(moved.dead()).isEqualTo(2L * moved.errors().size());
        assertThat(moved.losses()).allMatch(Double::isFinite);
      }
      // What is dead has no map.
      double[][] map = map(SMALL, teacher, data);
      assertThat(map[0][0]).isCloseTo(1, within(1e-12));
      assertThat(map[1]).containsOnly(Double.NaN);
      assertThat(map[0][2]).isNaN();
    }
  }

  @Test
  void convolutionsWithBatchNormalisationLearnFromLabelsToo() throws IOException {
    TorchNetwork network = Vgg.of(11, 0.0625, Norm.BATCH, 4, 1, 32, 32);
    CkaMapOptimizer.Options options =
        SHORT.with("batch", 16).with("hard-labels", true).with("adaptive", false);
    try (Examples data =
            new Examples(
                Oracle.normal(1, 64, 1, 32, 32),
                IntStream.range(0, 64).map(i -> i % 4).toArray(),
                4);
        MemoryCheckpoint teacher = network.initialise(4);
        Workspace ws = workspace(1);
        CkaMapOptimizer.Result moved =
            new CkaMapOptimizer(
                    network, CkaMapOptimizer.layers(network), CkaTargets.ones(8), options)
                .run(teacher, data, ws)) {
      assertThat(moved.losses()).hasSize(8).allMatch(Double::isFinite);
      assertThat(moved.errors()).hasSize(8);
      String variance = network.batchNorms().get(0).variance();
      assertThat(moved.model().tensor(variance).sameBytes(teacher.tensor(variance))).isFalse();
    }
  }

  @Test
  void otherDistancesAndKernelsMoveMapsToo() throws IOException {
    CkaMapOptimizer.Options longer = SHORT.with("epochs", 10).with("learning-rate", 0.01);
    List<Double> last = new ArrayList<>();
    try (Examples data = Oracle.clusters(1, 400, 6, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4);
        Workspace ws = workspace(1)) {
      for (CkaMapOptimizer.Options options :
          List.of(
              longer,
              longer.with("distance", CkaMapLoss.Distance.SQUARED),
              longer.with("bandwidth", 0.5))) {
        try (CkaMapOptimizer.Result moved =
            to(CkaTargets.ones(3), options).run(teacher, data, ws)) {
          List<Double> errors = moved.errors();
          last.add(errors.get(errors.size() - 1));
          assertThat(last.get(last.size() - 1)).isLessThan(0.5 * errors.get(0));
        }
      }
    }
    assertThat(last).doesNotHaveDuplicates();
  }

  @Test
  void badInputIsNamedBeforeWork() throws IOException {
    assertThatThrownBy(() -> to(CkaTargets.ones(2), SHORT))
        .isInstanceOf(ShapeException.class)
        .hasMessage("the target has 2 layers, 3 are named: [fc1, fc2, fc3]");
    for (String wrong : List.of("fc1", "fc9")) {
      assertThatThrownBy(
              () ->
                  new CkaMapOptimizer(
                      SMALL, List.of("fc1", "fc2", wrong), CkaTargets.ones(3), SHORT))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "layer '%s' is named twice, or not of the network, which has [fc1, fc2, fc3]"
                  .formatted(wrong));
    }
    assertThatThrownBy(() -> SHORT.with("held-out", 0.0))
        .hasMessage(
            "alpha follows the accuracy on held-out samples, and held-out is 0; give some, or"
                + " adaptive=false");
    assertThatThrownBy(() -> SHORT.with("batch", 3)).hasMessage("batch must be at least 4, not 3");
    try (Examples few = Oracle.clusters(1, 4, 6, 3);
        Examples others = Oracle.clusters(1, 40, 5, 3);
        MemoryCheckpoint teacher = SMALL.initialise(4);
        MemoryCheckpoint foreign = ClusterTask.NETWORK.initialise(4);
        Workspace ws = workspace(1)) {
      assertThatThrownBy(() -> to(CkaTargets.ones(3), SHORT).run(teacher, few, ws))
          .hasMessage("debiased CKA needs batches of 4 samples, 3 are left for steps; give more");
      assertThatThrownBy(() -> to(CkaTargets.ones(3), SHORT).run(teacher, others, ws))
          .isInstanceOf(ShapeException.class);
      assertThatThrownBy(() -> to(CkaTargets.ones(3), SHORT).run(foreign, few, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("the teacher does not fit the network");
      assertThatThrownBy(
              () ->
                  CkaMapOptimizer.map(
                      PairedActivations.Model.of(SMALL, List.of(teacher)),
                      CkaMapOptimizer.layers(SMALL),
                      few,
                      128,
                      ws))
          .hasMessage(
              "debiased CKA needs a batch of 4 samples at least and of the 4 there are at most, not"
                  + " 128");
    }
  }
}
