// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.EarlyStopping.Policy;
import org.merganser.model.Evaluation;
import org.merganser.model.Objective;
import org.merganser.repair.BatchNormReset;
import org.merganser.testing.JavaObjective;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.Vgg;
import org.merganser.torch.training.Trainer;

class TorchObjectiveTest {
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(6, 12, 2, 3, Activation.RELU);
  private static final Workspace WS = Workspace.builder().seed(4).open();

  @TempDir Path folder;

  private static MemoryCheckpoint trained(TorchNetwork network, long seed, Examples data)
      throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).seed(seed).open();
        MemoryCheckpoint initial = network.initialise(seed)) {
      return Trainer.train(network, initial, data, Trainer.Options.adamW(8), ws);
    }
  }

  private static void set(Objective.Session session, Objective objective, Checkpoint theta)
      throws IOException {
    for (int s = 0; s < objective.slots().size(); s++) {
      try (Tensor tensor = theta.read(objective.slots().get(s).name(), WS)) {
        session.theta(s).copyFrom(tensor, WS);
      }
    }
  }

  /** NP Merge with Adam on recorded gradients, against libtorch's own Adam. */
  @Test
  @SuppressWarnings("try")
  void adamIsThatOfLibtorch() throws IOException {
    int n = 257;
    int steps = 100;
    SplittableRandom random = new SplittableRandom(3);
    float[][] gradients = new float[steps][n];
    for (float[] gradient : gradients) {
      for (int i = 0; i < n; i++) {
        gradient[i] = (float) (random.nextGaussian() * Math.exp(3 * random.nextGaussian()));
      }
    }
    float[] ones = new float[n];
    Arrays.fill(ones, 1);
    // theta = z for a = 1 and c = 0, and far from the ends.
    JavaObjective recorded =
        JavaObjective.of(
            Map.of("w", new long[] {n}),
            (step, theta) ->
                new JavaObjective.Value(0, new float[][] {gradients[step.intValue()]}));
    NpMerger.Options options =
        NpMerger.Options.defaults()
            .withForm(NpMerger.Form.CLAMP)
            .withOptimizer(new NpMerger.Optimizer.Adam(1e-3))
            .withSteps(steps);
    MergeProblem problem =
        MergeProblem.of(
            MemoryCheckpoint.of(Map.of("w", Tensor.of(ones, n))),
            MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[n], n))));
    float[] expected =
        Libtorch.call(
            1,
            () -> {
              try (PointerScope scope = new PointerScope()) {
                float[] half = new float[n];
                Arrays.fill(half, .5f);
                org.bytedeco.pytorch.Tensor z = torch.tensor(half);
                z.set_requires_grad(true);
                org.bytedeco.pytorch.Adam adam =
                    new org.bytedeco.pytorch.Adam(
                        new TensorVector(z), new org.bytedeco.pytorch.AdamOptions(1e-3));
                for (float[] gradient : gradients) {
                  z.mutable_grad().put(torch.tensor(gradient));
                  adam.step();
                }
                return Bridge.view(z.detach()).toFloatArray();
              }
            });
    float[] found =
        NpMerger.of(recorded, options).learn(problem, WS).model().tensor("w").toFloatArray();
    assertThat(found).containsExactly(expected, within(1e-6f));
  }

  @Test
  void theGradientIsThatOfTheLoss() throws IOException {
    TorchNetwork smooth = TorchNetwork.mlp(6, 12, 2, 3, Activation.TANH);
    try (Examples data = Oracle.clusters(1, 40, 6, 3);
        MemoryCheckpoint theta = smooth.initialise(2)) {
      TorchObjective objective =
          TorchObjective.of(
              smooth, data, TorchObjective.Options.defaults().withHeldOut(0).withBatchSize(40));
      try (Objective.Session session = objective.open(WS)) {
        set(session, objective, theta);
        session.lossAndGradient(0);
        for (int s = 0; s < objective.slots().size(); s++) {
          Tensor parameter = session.theta(s);
          // Along the gradient, where the difference is largest.
          float[] before = parameter.toFloatArray();
          float[] gradient = session.gradient(s).toFloatArray();
          double norm = 0;
          for (float g : gradient) {
            norm += (double) g * g;
          }
          norm = Math.sqrt(norm);
          assertThat(norm).isPositive();
          double h = 1e-2;
          double up = moved(session, parameter, before, gradient, h / norm);
          double down = moved(session, parameter, before, gradient, -h / norm);
          moved(session, parameter, before, gradient, 0);
          assertThat((up - down) / (2 * h))
              .as(objective.slots().get(s).name())
              .isCloseTo(norm, within(2e-3 * norm + 1e-5));
          session.lossAndGradient(0);
        }
      }
    }
  }

  private static double moved(
      Objective.Session session, Tensor parameter, float[] from, float[] along, double by)
      throws IOException {
    for (int i = 0; i < from.length; i++) {
      parameter.set(i, from[i] + by * along[i]);
    }
    return session.lossAndGradient(0);
  }

  @Test
  void heldOutSamplesAreNeverSeenByAStep() throws IOException {
    try (Examples data = Oracle.clusters(1, 103, 6, 3)) {
      TorchObjective objective =
          TorchObjective.of(NETWORK, data, TorchObjective.Options.defaults().withHeldOut(.25));
      Samples.Split parts = objective.split(7);
      int[] train = numbers(parts.train());
      int[] heldOut = numbers(parts.heldOut());
      assertThat(heldOut).hasSize(26);
      assertThat(IntStream.concat(Arrays.stream(train), Arrays.stream(heldOut)).sorted())
          .containsExactlyElementsOf(IntStream.range(0, 103).boxed().toList());
      assertThat(numbers(objective.split(7).heldOut())).isEqualTo(heldOut);
      assertThat(numbers(objective.split(8).heldOut())).isNotEqualTo(heldOut);
    }
  }

  private static int[] numbers(Samples samples) {
    return samples.range(0, samples.size());
  }

  @Test
  void theHeldOutLossIsThatOfEvaluation() throws IOException {
    try (Examples data = Oracle.clusters(1, 50, 6, 3);
        Examples other = Oracle.clusters(2, 70, 6, 3);
        MemoryCheckpoint theta = NETWORK.initialise(2)) {
      TorchObjective objective =
          TorchObjective.of(NETWORK, data, other, TorchObjective.Options.defaults());
      try (Objective.Session session = objective.open(WS)) {
        set(session, objective, theta);
        assertThat(session.heldOutLoss().orElseThrow())
            .isCloseTo(Evaluation.of(NETWORK, theta, other, WS).loss(), within(1e-6));
      }
    }
  }

  @Test
  void learnedCoefficientsBeatTheAverageAndRunsRepeat() throws IOException {
    try (Examples data = Oracle.clusters(1, 600, 6, 3);
        MemoryCheckpoint a = trained(NETWORK, 1, data);
        MemoryCheckpoint c = trained(NETWORK, 2, data)) {
      TorchObjective objective = TorchObjective.of(NETWORK, data);
      MergeProblem problem = MergeProblem.of(a, c);
      Checkpoint average = LinearMerger.uniform().merge(problem, WS);
      try (NpMerger.Result learned = NpMerger.of(objective).learn(problem, WS);
          NpMerger.Result again = NpMerger.of(objective).learn(problem, WS)) {
        assertThat(Evaluation.of(NETWORK, learned.model(), data, WS).loss())
            .isLessThan(.7 * Evaluation.of(NETWORK, average, data, WS).loss());
        for (String name : learned.model().tensors().keySet()) {
          assertThat(learned.model().tensor(name).sameBytes(again.model().tensor(name))).isTrue();
        }
        try (FineTuning tuned =
            FineTuning.of(objective, average, FineTuning.Options.adam(200, 10, 5), WS)) {
          assertThat(tuned.heldOut().get(0)).isEqualTo(learned.heldOut().get(0));
          assertThat(tuned.losses().get(0)).isEqualTo(learned.losses().get(0));
          assertThat(Evaluation.of(NETWORK, tuned.model(), data, WS).loss())
              .isLessThan(.7 * Evaluation.of(NETWORK, average, data, WS).loss());
          double least = tuned.heldOut().stream().mapToDouble(HeldOut::score).min().orElseThrow();
          assertThat(tuned.heldOut().get((int) (tuned.bestStep() / 10)).score()).isEqualTo(least);
        }
        Policy plateau = Policy.plateau(150).every(10, 2, 2);
        try (FineTuning tuned =
            FineTuning.of(
                objective,
                average,
                FineTuning.Options.adam(200, 10, 5).withStopping(plateau),
                WS)) {
          assertThat(tuned.heldOut().get(0).step()).isEqualTo(10);
          assertThat(tuned.losses()).hasSizeLessThanOrEqualTo(150);
          HeldOut best = tuned.heldOut().get((int) (tuned.bestStep() / 10 - 1));
          assertThat(best.score())
              .isEqualTo(tuned.heldOut().stream().mapToDouble(HeldOut::score).max().orElseThrow());
          // Once more with no more steps than those of the best: it is what was kept.
          FineTuning.Options less =
              FineTuning.Options.adam(tuned.bestStep(), 10, 5).withStopping(plateau);
          try (FineTuning shorter = FineTuning.of(objective, average, less, WS)) {
            for (String name : tuned.model().tensors().keySet()) {
              assertThat(shorter.model().tensor(name).sameBytes(tuned.model().tensor(name)))
                  .isTrue();
            }
          }
        }
        TorchObjective all =
            TorchObjective.of(NETWORK, data, TorchObjective.Options.defaults().withHeldOut(0));
        try (FineTuning tuned =
            FineTuning.of(all, average, FineTuning.Options.adam(17, 10, 5), WS)) {
          assertThat(tuned.heldOut()).isEmpty();
          assertThat(tuned.losses()).hasSize(17);
          assertThat(tuned.bestStep()).isEqualTo(17);
        }
      }
    }
  }

  @Test
  void runningStatisticsAreThoseOfTheResult() throws IOException {
    TorchNetwork network = Vgg.of(11, .125, Norm.BATCH, 3, 1, 32, 32);
    Tensor images = Oracle.normal(5, 60, 1, 32, 32);
    int[] labels = IntStream.range(0, 60).map(i -> i % 3).toArray();
    try (Examples data = new Examples(images, labels, 3);
        MemoryCheckpoint a = network.initialise(1);
        MemoryCheckpoint c = network.initialise(2)) {
      TorchObjective objective =
          TorchObjective.of(
              network, data, TorchObjective.Options.defaults().withHeldOut(.2).withBatchSize(16));
      NpMerger.Options options = NpMerger.Options.defaults().withSteps(3).withEvalEvery(1);
      MergeProblem problem =
          MergeProblem.of(
              network.architecture(),
              List.of(a, MemoryCheckpoint.of(tensors(c), Map.of(), statistics(network))));
      try (NpMerger.Result learned = NpMerger.of(objective, options).learn(problem, WS);
          Examples seen = data.select(numbers(objective.split(WS.seed()).train()));
          MemoryCheckpoint reset =
              new BatchNormReset().apply(learned.model(), network, seen.batches(100), WS)) {
        assertThat(learned.model().stale()).isEmpty();
        for (String name : statistics(network)) {
          assertThat(learned.model().tensor(name).sameBytes(reset.tensor(name))).as(name).isTrue();
        }
        assertThat(Evaluation.of(network, learned.model(), data, WS).loss()).isFinite();
      }
    }
  }

  private static Map<String, Tensor> tensors(MemoryCheckpoint model) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model.tensors().keySet().forEach(name -> tensors.put(name, model.tensor(name)));
    return tensors;
  }

  private static Set<String> statistics(TorchNetwork network) {
    Set<String> names = new LinkedHashSet<>();
    network.batchNorms().forEach(layer -> names.addAll(List.of(layer.mean(), layer.variance())));
    return names;
  }

  @Test
  void aUsersLossIsLowered() throws IOException {
    try (Examples data = Oracle.clusters(1, 100, 6, 3);
        MemoryCheckpoint a = trained(NETWORK, 1, data);
        MemoryCheckpoint c = trained(NETWORK, 2, data)) {
      // Outputs as small as possible: nothing that cross-entropy would do.
      TorchObjective objective =
          TorchObjective.of(
              NETWORK,
              data,
              TorchObjective.Options.defaults()
                  .withLoss((outputs, labels) -> outputs.square().mean()));
      try (NpMerger.Result learned = NpMerger.of(objective).learn(MergeProblem.of(a, c), WS)) {
        assertThat(learned.bestHeldOutLoss().orElseThrow())
            .isLessThan(.5 * learned.heldOut().get(0).score());
      }
    }
  }

  @Test
  void interruptedAndGoneOnEqualsUninterrupted() throws IOException {
    try (Examples data = Oracle.clusters(1, 300, 6, 3);
        MemoryCheckpoint a = trained(NETWORK, 1, data);
        MemoryCheckpoint c = trained(NETWORK, 2, data)) {
      TorchObjective objective =
          TorchObjective.of(NETWORK, data, TorchObjective.Options.defaults().withBatchSize(32));
      NpMerger.Options options = NpMerger.Options.defaults().withSteps(40).withPatience(100);
      NpMerger.Result whole = NpMerger.of(objective, options).learn(MergeProblem.of(a, c), WS);
      NpMerger.Options resumable = options.withState(folder.resolve("np.safetensors"));
      Cancellation cancellation = new Cancellation();
      try (Workspace stopped =
          Workspace.builder()
              .seed(4)
              .cancellation(cancellation)
              .progress(
                  (stage, done, total) -> {
                    if (done == 23) {
                      cancellation.cancel();
                    }
                  })
              .open()) {
        assertThatThrownBy(
                () -> NpMerger.of(objective, resumable).learn(MergeProblem.of(a, c), stopped))
            .isInstanceOf(CancelledException.class)
            .hasMessageStartingWith("cancelled after step 23 of 40");
      }
      NpMerger.Result rest = NpMerger.of(objective, resumable).learn(MergeProblem.of(a, c), WS);
      assertThat(rest.losses()).isEqualTo(whole.losses());
      for (String name : whole.model().tensors().keySet()) {
        assertThat(rest.model().tensor(name).sameBytes(whole.model().tensor(name))).isTrue();
      }
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    Examples data = Oracle.clusters(1, 40, 6, 3);
    TorchNetwork wide = TorchNetwork.mlp(7, 12, 2, 3, Activation.RELU);
    assertThatThrownBy(() -> TorchObjective.of(wide, data))
        .isInstanceOf(ShapeException.class)
        .hasMessage("inputs are F32 [40, 6], the network reads F32 [samples, 7]");
    TorchNetwork many = TorchNetwork.mlp(6, 12, 2, 4, Activation.RELU);
    assertThatThrownBy(() -> TorchObjective.of(many, data))
        .hasMessage("the network has 4 outputs, the data 3 classes");
    assertThatThrownBy(
            () ->
                TorchObjective.of(NETWORK, data, TorchObjective.Options.defaults().withHeldOut(1)))
        .hasMessage("the held-out part must be in [0, 1), not 1.0");
    assertThatThrownBy(() -> TorchObjective.of(NETWORK, data.first(1)))
        .hasMessageStartingWith("one sample cannot be split into training and held-out data");
    assertThatThrownBy(
            () ->
                TorchObjective.of(
                    NETWORK,
                    data,
                    TorchObjective.Options.defaults().withAugmentation(Augmentation.flipAndCrop())))
        .isInstanceOf(ShapeException.class);
  }
}
