// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.AffineLayer;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.RepairProblem;
import org.merganser.repair.RepairRescale;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;

class RepairTest {
  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private static Inputs batches(Tensor inputs, int size) {
    return new Examples(inputs, new int[Math.toIntExact(inputs.dim(0))], 1).batches(size);
  }

  private Checkpoint average(Network network, List<Checkpoint> models) {
    return LinearMerger.uniform().merge(MergeProblem.of(network.architecture(), models), ws);
  }

  /** Mean and standard deviation of the hidden affine layers of each model. */
  private Moments hidden(TorchNetwork network, List<? extends Checkpoint> models, Inputs inputs)
      throws IOException {
    Map<String, Long> widths = new LinkedHashMap<>();
    for (AffineLayer layer : network.affineLayers()) {
      widths.put(layer.output(), layer.width());
    }
    return Moments.collect(
        network,
        widths,
        Mode.EVAL,
        models,
        inputs,
        StatisticsRequest.NONE,
        Moments.Options.defaults(),
        ws);
  }

  private static double deviation(SpaceMoments moments, int model, int feature) {
    return Math.sqrt(moments.variance(model)[feature]);
  }

  /** The first layer's input is the same for all: there the pooled totals are those of the data. */
  @ParameterizedTest
  @ValueSource(ints = {7, 40})
  void resetStatisticsAreThoseOfAllSamplesWhateverTheBatches(int batch) throws IOException {
    Networks kind = Networks.VGG11_BATCH;
    TorchNetwork network = kind.network();
    try (MemoryCheckpoint model = Oracle.lively(network, 3);
        Tensor inputs = kind.inputs(40, 5);
        MemoryCheckpoint reset =
            new BatchNormReset().apply(model, network, batches(inputs, batch), ws);
        Moments moments = hidden(network, List.of(model), batches(inputs, 40))) {
      SpaceMoments first = moments.space("features.0/out");
      double n = first.samples();
      for (int c = 0; c < first.width(0); c++) {
        assertThat(reset.read("features.1.running_mean", ws).get(c))
            .isCloseTo(first.mean(0)[c], within(1e-5));
        assertThat(reset.read("features.1.running_var", ws).get(c))
            .isCloseTo(first.variance(0)[c] * n / (n - 1), within(1e-4));
      }
      assertThat(reset.tensor("features.1.num_batches_tracked").memory().getLong(0))
          .isEqualTo((40 + batch - 1) / batch);
      assertThat(reset.tensor("features.0.weight").sameBytes(model.tensor("features.0.weight")))
          .isTrue();
    }
  }

  /** With one batch, evaluation after the reset is what training mode computed. */
  @ParameterizedTest
  @EnumSource(names = {"VGG11_BATCH", "RESNET20", "RESNET18", "RESNET50"})
  void afterAResetEvaluationAgreesWithTrainingMode(Networks kind) throws IOException {
    TorchNetwork network = kind.network();
    try (MemoryCheckpoint model = Oracle.lively(network, 3);
        Tensor inputs = kind.inputs(32, 5);
        MemoryCheckpoint reset =
            new BatchNormReset().apply(model, network, batches(inputs, 32), ws)) {
      double[] trained = outputs(network, model, inputs, Mode.TRAIN);
      double[] evaluated = outputs(network, reset, inputs, Mode.EVAL);
      assertThat(change(evaluated, trained)).isLessThan(0.02);
      assertThat(change(outputs(network, model, inputs, Mode.EVAL), trained)).isGreaterThan(0.05);
      assertThat(network.batchNorms())
          .extracting(BatchNormLayer::follows)
          .doesNotContain(java.util.Optional.empty());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"MLP", "VGG11", "VGG16_LAYER", "RESNET20_NONE"})
  void measuredRepairGivesEveryHiddenLayerTheStatisticsOfItsEndpoints(Networks kind)
      throws IOException {
    TorchNetwork network = kind.network();
    try (Tensor inputs = kind.inputs(30, 5);
        MemoryCheckpoint a = Oracle.excited(network, 3, inputs, ws);
        MemoryCheckpoint b = Oracle.excited(network, 4, inputs, ws);
        MemoryCheckpoint c = Oracle.excited(network, 5, inputs, ws)) {
      List<Checkpoint> models = List.of(a, b, c);
      Checkpoint merged = average(network, models);
      RepairProblem problem = RepairProblem.of(network, merged, models, batches(inputs, 10));
      try (MemoryCheckpoint repaired = RepairRescale.measured().apply(problem, ws);
          Moments ends = hidden(network, models, batches(inputs, 30));
          Moments before = hidden(network, List.of(merged), batches(inputs, 30));
          Moments after = hidden(network, List.of(repaired), batches(inputs, 30))) {
        double shrunk = 0;
        int features = 0;
        for (AffineLayer layer : network.affineLayers()) {
          if (network.architecture().bindings(layer.weight()).stream()
              .noneMatch(axis -> axis.binding().axis() == 0)) {
            continue;
          }
          SpaceMoments goal = ends.space(layer.output());
          for (int f = 0; f < layer.width(); f++) {
            double mean = 0;
            double deviation = 0;
            for (int k = 0; k < 3; k++) {
              mean += goal.mean(k)[f] / 3;
              deviation += deviation(goal, k, f) / 3;
            }
            String what = layer.id() + " " + f;
            SpaceMoments found = after.space(layer.output());
            assertThat(found.mean(0)[f]).as(what).isCloseTo(mean, within(2e-3));
            assertThat(deviation(found, 0, f)).as(what).isCloseTo(deviation, within(2e-3));
            shrunk += deviation(before.space(layer.output()), 0, f) / deviation;
            features++;
          }
        }
        // The reason for all this: averages vary less than what they are averages of.
        assertThat(shrunk / features).isLessThan(0.8);
        assertThat(repaired.tensors()).isEqualTo(merged.tensors());
      }
    }
  }

  /** At the first layer the average of outputs is the output of the average: both forms agree. */
  @Test
  void theClosedFormIsExactAtTheFirstLayer() throws IOException {
    Networks kind = Networks.VGG11;
    TorchNetwork network = kind.network();
    try (MemoryCheckpoint a = Oracle.lively(network, 3);
        MemoryCheckpoint b = Oracle.lively(network, 4);
        Tensor inputs = kind.inputs(30, 5)) {
      List<Checkpoint> models = List.of(a, b);
      RepairProblem problem =
          new RepairProblem(
              network,
              LinearMerger.weights(0.7, 0.3)
                  .merge(MergeProblem.of(network.architecture(), models), ws),
              models,
              List.of(0.7, 0.3),
              batches(inputs, 30));
      try (MemoryCheckpoint measured = RepairRescale.measured().apply(problem, ws);
          MemoryCheckpoint closed = RepairRescale.closedForm().apply(problem, ws)) {
        for (String name : List.of("features.0.weight", "features.0.bias")) {
          assertThat(change(closed.tensor(name), measured.tensor(name))).isLessThan(1e-4);
        }
        String deep = "features.18.weight";
        assertThat(change(closed.tensor(deep), measured.tensor(deep))).isBetween(1e-4, 1.0);
        String head = "classifier.weight";
        try (Tensor merged = problem.merged().read(head, ws)) {
          assertThat(measured.tensor(head).sameBytes(merged)).isTrue();
        }
      }
    }
  }

  /** w=2, b=.5 with mean 1, variance 4, scale 3, shift -1 become w=3, b=-1.75. */
  @Test
  void foldsTheGoldenConvolution() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                Convolution.of("c", 1, 1, 1, 1, 0, true),
                new BatchNorm("n", 1),
                Activation.RELU,
                new Flatten(),
                new Linear("head", 1, 1)),
            1,
            1,
            1);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("c.weight", Tensor.of(new float[] {2}, 1, 1, 1, 1));
    tensors.put("c.bias", Tensor.of(new float[] {.5f}, 1));
    tensors.put("n.weight", Tensor.of(new float[] {3}, 1));
    tensors.put("n.bias", Tensor.of(new float[] {-1}, 1));
    tensors.put("n.running_mean", Tensor.of(new float[] {1}, 1));
    tensors.put("n.running_var", Tensor.of(new float[] {4 - 1e-5f}, 1));
    tensors.put("n.num_batches_tracked", Tensor.zeros(DType.I64));
    tensors.put("head.weight", Tensor.of(new float[] {1}, 1, 1));
    tensors.put("head.bias", Tensor.of(new float[] {0}, 1));
    Checkpoint folded = BatchNormFold.of(network).fold(MemoryCheckpoint.of(tensors));
    assertThat(folded.tensors()).isEqualTo(network.folded().parameters());
    assertThat(folded.read("c.weight", ws).get(0)).isCloseTo(3, within(1e-6));
    assertThat(folded.read("c.bias", ws).get(0)).isCloseTo(-1.75, within(1e-6));
  }

  @ParameterizedTest
  @EnumSource(names = {"VGG11_BATCH", "RESNET20", "RESNET18", "RESNET50"})
  void foldingKeepsTheFunctionAndUnfoldingRestoresIt(Networks kind) throws IOException {
    TorchNetwork network = kind.network();
    TorchNetwork plain = network.folded();
    assertThat(plain.batchNorms()).isEmpty();
    assertThat(plain.architecture().spaces())
        .extracting(space -> space.id() + " " + space.width())
        .isEqualTo(
            network.architecture().spaces().stream()
                .map(space -> space.id() + " " + space.width())
                .toList());
    try (Tensor inputs = kind.inputs(32, 5);
        MemoryCheckpoint model = Oracle.excited(network, 3, inputs, ws)) {
      double[] wanted = outputs(network, model, inputs, Mode.EVAL);
      BatchNormFold fold = BatchNormFold.of(network);
      Checkpoint folded = fold.fold(model);
      assertThat(folded.tensors()).isEqualTo(plain.parameters());
      assertThat(change(outputs(plain, folded, inputs, Mode.EVAL), wanted)).isLessThan(1e-5);

      Checkpoint unfolded = fold.unfold(folded, model);
      assertThat(unfolded.tensors()).isEqualTo(model.tensors());
      assertThat(unfolded.stale()).contains(network.batchNorms().get(0).variance());
      assertThatThrownBy(() -> fold.fold(unfolded))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("is stale: reset it before folding");
      try (MemoryCheckpoint ready =
          new BatchNormReset().apply(unfolded, network, batches(inputs, 32), ws)) {
        assertThat(
                change(outputs(network, ready, inputs, Mode.EVAL), reset(network, model, inputs)))
            .isLessThan(1e-3);
      }
      assertThatThrownBy(() -> fold.unfold(model, model))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("is not folded: it has");
    }
  }

  /** A third of the scales is made negative. */
  @ParameterizedTest
  @EnumSource(names = {"VGG11_BATCH", "RESNET20"})
  void negativeScalesMoveIntoTheLayerBefore(Networks kind) throws IOException {
    TorchNetwork network = kind.network();
    try (Tensor inputs = kind.inputs(32, 5);
        MemoryCheckpoint model = Oracle.excited(network, 3, inputs, ws)) {
      BatchNormFold fold = BatchNormFold.of(network);
      assertSameBytes(fold.positive(model), model);
      for (BatchNormLayer norm : network.batchNorms()) {
        Tensor scale = model.tensor(norm.scale());
        for (long c = 0; c < scale.size(); c += 3) {
          scale.set(c, -Math.abs(scale.get(c)));
        }
      }
      double[] wanted = outputs(network, model, inputs, Mode.EVAL);
      Checkpoint positive = fold.positive(model);
      for (BatchNormLayer norm : network.batchNorms()) {
        try (Tensor scale = positive.read(norm.scale(), ws)) {
          assertThat(Arrays.stream(scale.toDoubleArray()).min().getAsDouble()).isNotNegative();
        }
      }
      assertThat(change(outputs(network, positive, inputs, Mode.EVAL), wanted)).isLessThan(1e-5);
      // What is put back has the reference's spread in the rows, which hold the sign already.
      Checkpoint unfolded = fold.unfold(fold.fold(model), model);
      try (MemoryCheckpoint ready =
          new BatchNormReset().apply(unfolded, network, batches(inputs, 32), ws)) {
        assertThat(
                change(outputs(network, ready, inputs, Mode.EVAL), reset(network, model, inputs)))
            .isLessThan(1e-3);
      }
    }
  }

  private double[] reset(TorchNetwork network, Checkpoint model, Tensor inputs) throws IOException {
    try (MemoryCheckpoint ready =
        new BatchNormReset().apply(model, network, batches(inputs, 32), ws)) {
      return outputs(network, ready, inputs, Mode.EVAL);
    }
  }

  private void assertSameBytes(Checkpoint found, MemoryCheckpoint wanted) throws IOException {
    for (String name : wanted.tensors().keySet()) {
      try (Tensor tensor = found.read(name, ws);
          Tensor other = wanted.read(name, ws)) {
        assertThat(tensor.sameBytes(other)).as(name).isTrue();
      }
    }
  }

  private double[] outputs(Network network, Checkpoint theta, Tensor inputs, Mode mode)
      throws IOException {
    double[][] found = new double[1][];
    try (Network.Session session = network.open(theta, ws)) {
      session.run(
          inputs, mode, Set.of(Network.OUTPUT), (tap, out) -> found[0] = out.toDoubleArray());
    }
    return found[0];
  }

  private double change(Tensor found, Tensor wanted) {
    try (Tensor mine = found.toHost(ws);
        Tensor theirs = wanted.toHost(ws)) {
      return change(mine.toDoubleArray(), theirs.toDoubleArray());
    }
  }

  private static double change(double[] found, double[] wanted) {
    double difference = 0;
    double size = 0;
    for (int i = 0; i < wanted.length; i++) {
      difference += (found[i] - wanted[i]) * (found[i] - wanted[i]);
      size += wanted[i] * wanted[i];
    }
    return Math.sqrt(difference / size);
  }
}
