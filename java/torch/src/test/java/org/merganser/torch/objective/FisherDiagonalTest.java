// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.FisherMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.RegMeanMerger;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.LayerNorm;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Residual;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.objective.FisherDiagonal.Labels;

/** Against torch.func and NumPy; see fixtures/importance/make.py. */
class FisherDiagonalTest {
  private static final Workspace WS = Workspace.builder().threads(2).seed(3).open();
  private static final TorchNetwork NETWORK = mlp();
  private static final FisherDiagonal.Options ALL = FisherDiagonal.Options.defaults();

  private final Checkpoint a = fixture("a");
  private final Checkpoint b = fixture("b");
  private final Checkpoint io = fixture("io");

  @AfterEach
  void closeFixtures() throws IOException {
    a.close();
    b.close();
    io.close();
  }

  @AfterAll
  static void close() {
    WS.close();
  }

  private static TorchNetwork mlp() {
    return TorchNetwork.of(
        sequence(
            new Linear("fc1", 6, 5),
            Activation.RELU,
            new Linear("fc2", 5, 4),
            Activation.RELU,
            new Linear("fc3", 4, 3)),
        6);
  }

  private static Sequential sequence(Layer... layers) {
    return new Sequential(List.of(layers));
  }

  private static Checkpoint fixture(String name) {
    try {
      return Safetensors.open(
          Path.of(
              FisherDiagonalTest.class
                  .getResource("/fixtures/importance/" + name + ".safetensors")
                  .toURI()));
    } catch (URISyntaxException | IOException e) {
      throw new AssertionError(e);
    }
  }

  private Examples samples() throws IOException {
    try (Tensor labels = io.read("labels", WS)) {
      int[] classes = new int[Math.toIntExact(labels.size())];
      for (int i = 0; i < classes.length; i++) {
        classes[i] = Math.toIntExact(labels.memory().getLong(8L * i));
      }
      return new Examples(io.read("inputs", WS), classes, 3);
    }
  }

  private void assertIs(Checkpoint found, String prefix, double tolerance) throws IOException {
    for (String name : NETWORK.learned()) {
      double[] expected = io.read(prefix + name, WS).toDoubleArray();
      double[] values = found.read(name, WS).toDoubleArray();
      for (int i = 0; i < expected.length; i++) {
        assertThat(values[i])
            .as("%s[%s]", prefix + name, i)
            .isCloseTo(expected[i], within(tolerance * (1 + Math.abs(expected[i]))));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"EXPECTED", "TRUE"})
  void isThatOfTorch(Labels labels) throws IOException {
    String kind = labels.name().toLowerCase(Locale.ROOT);
    try (Examples data = samples();
        Checkpoint fa = FisherDiagonal.of(NETWORK, a, data, ALL.withLabels(labels), WS);
        Checkpoint fb = FisherDiagonal.of(NETWORK, b, data, ALL.withLabels(labels), WS)) {
      assertThat(fa.tensors().keySet()).isEqualTo(NETWORK.learned());
      assertIs(fa, "a." + kind + ".", 1e-6);
      assertIs(fb, "b." + kind + ".", 1e-6);
    }
  }

  @Test
  void mergedModelsAreThoseOfTorch() throws IOException {
    try (Examples data = samples();
        Checkpoint fa = FisherDiagonal.of(NETWORK, a, data, ALL, WS);
        Checkpoint fb = FisherDiagonal.of(NETWORK, b, data, ALL, WS)) {
      MergeProblem problem = MergeProblem.of(a, b).withImportances(List.of(fa, fb));
      FisherMerger.Options plain = FisherMerger.Options.defaults();
      assertIs(FisherMerger.of(plain).merge(problem, WS), "fisher.", 2e-6);
      FisherMerger.Options normalised = plain.withNormalise(true).withEpsilon(1e-12);
      assertIs(FisherMerger.of(normalised).merge(problem, WS), "fisher-normalised.", 2e-5);
    }
  }

  @Test
  void regmeanIsThatOfTorch() throws IOException {
    StatisticsRequest own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    try (Examples data = samples();
        Moments moments = Moments.collect(NETWORK, List.of(a, b), data, own, WS)) {
      List<Checkpoint> grams =
          List.of(
              RegMeanMerger.grams(NETWORK.architecture(), a, moments, 0),
              RegMeanMerger.grams(NETWORK.architecture(), b, moments, 1));
      assertThat(grams.get(0).tensors().keySet()).containsExactly("fc2.weight", "fc3.weight");
      MergeProblem problem = MergeProblem.of(a, b).withImportances(grams);
      RegMeanMerger.Options options = RegMeanMerger.Options.defaults().withOffDiagonal(0.9);
      assertIs(RegMeanMerger.of(options).merge(problem, WS), "regmean.", 1e-5);
    }
  }

  /** What is added to and read normalised has no one Gram matrix, and none is made up. */
  @Test
  void residualStreamsHaveNoGramMatrices() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            sequence(
                new Linear("fc1", 6, 5),
                new Residual(
                    "block",
                    sequence(
                        new LayerNorm("norm", 5),
                        new Linear("fc2", 5, 7),
                        Activation.RELU,
                        new Linear("fc3", 7, 5)),
                    sequence()),
                new Linear("fc4", 5, 3)),
            6);
    StatisticsRequest own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    List<String> warnings = new ArrayList<>();
    Logger log = Logger.getLogger(RegMeanMerger.class.getName());
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            warnings.add(record.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    log.addHandler(handler);
    try (Examples data = samples();
        MemoryCheckpoint model = network.initialise(1);
        Moments moments = Moments.collect(network, List.of(model), data, own, WS)) {
      Checkpoint grams = RegMeanMerger.grams(network.architecture(), model, moments, 0);
      assertThat(grams.tensors().keySet()).containsExactly("fc3.weight");
    } finally {
      log.removeHandler(handler);
    }
    assertThat(warnings)
        .singleElement(InstanceOfAssertFactories.STRING)
        .contains(
            "'fc2.weight' reads ",
            "'fc4.weight' reads ",
            "2 layers add to: 'fc1.weight', 'fc3.weight'");
  }

  /** A normalisation of one of several readers. */
  @Test
  void spacesThatAreReadNormalisedAndPlainHaveNone() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            sequence(
                new Linear("fc1", 6, 5),
                new Residual(
                    "block",
                    sequence(new LayerNorm("norm", 5), new Linear("fc2", 5, 4)),
                    sequence(new Linear("fc3", 5, 4))),
                new Linear("fc4", 4, 3)),
            6);
    StatisticsRequest own = StatisticsRequest.of(StatisticsRequest.Part.OWN);
    try (Examples data = samples();
        MemoryCheckpoint model = network.initialise(1);
        Moments moments = Moments.collect(network, List.of(model), data, own, WS)) {
      assertThatThrownBy(() -> RegMeanMerger.grams(network.architecture(), model, moments, 0))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("2 layers read, some normalised by 'norm.weight'")
          .hasMessageContaining("'fc4.weight' reads ");
    }
  }

  /** Drawn labels are right in the mean, and the same for the same seed. */
  @Test
  void drawnLabelsAreThoseOfTheSeed() throws IOException {
    double[] mean = new double[15];
    int seeds = 200;
    try (Examples data = samples()) {
      for (int seed = 0; seed < seeds; seed++) {
        try (Workspace ws = Workspace.builder().threads(1).seed(seed).open();
            Checkpoint f = FisherDiagonal.of(NETWORK, a, data, ALL.withLabels(Labels.DRAWN), ws)) {
          double[] found = f.read("fc3.bias", ws).toDoubleArray();
          for (int i = 0; i < 3; i++) {
            mean[i] += found[i] / seeds;
          }
          if (seed == 0) {
            try (Checkpoint again =
                FisherDiagonal.of(NETWORK, a, data, ALL.withLabels(Labels.DRAWN), ws)) {
              assertThat(again.read("fc1.weight", ws).sameBytes(f.read("fc1.weight", ws))).isTrue();
            }
          }
        }
      }
    }
    double[] expected = io.read("a.expected.fc3.bias", WS).toDoubleArray();
    for (int i = 0; i < 3; i++) {
      assertThat(mean[i]).isCloseTo(expected[i], withinPercentage(3));
    }
  }

  /** Running statistics have no gradient, and are averaged. */
  @Test
  void convolutionsWithBatchNormalisation() throws IOException {
    TorchNetwork network = ResNet.of(18, 0.0625, Norm.BATCH, ResNet.Stem.SMALL, 3, 3, 8, 8);
    float[] values = new float[4 * 3 * 8 * 8];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(i);
    }
    try (Examples data = new Examples(Tensor.of(values, 4, 3, 8, 8), new int[] {0, 1, 2, 0}, 3);
        MemoryCheckpoint one = network.initialise(1);
        MemoryCheckpoint two = network.initialise(2);
        Checkpoint f1 = FisherDiagonal.of(network, one, data, ALL, WS);
        Checkpoint f2 = FisherDiagonal.of(network, two, data, ALL, WS)) {
      assertThat(f1.tensors().keySet()).doesNotContain("bn1.running_mean").contains("bn1.weight");
      MergeProblem problem = MergeProblem.of(one, two).withImportances(List.of(f1, f2));
      Checkpoint merged = FisherMerger.of(FisherMerger.Options.defaults()).merge(problem, WS);
      try (MemoryCheckpoint read = MemoryCheckpoint.copyOf(merged, WS)) {
        assertThat(read.tensors().keySet()).isEqualTo(one.tensors().keySet());
      }
    }
  }

  /** They are no samples without information, which all classes of probability NaN would make. */
  @ParameterizedTest
  @EnumSource
  void outputsThatAreNotFiniteAreNamed(Labels labels) throws IOException {
    float[] inputs = new float[4 * 6];
    inputs[2 * 6] = Float.NaN;
    try (Examples nan = new Examples(Tensor.of(inputs, 4, 6), new int[] {0, 1, 2, 0}, 3)) {
      assertThatThrownBy(() -> FisherDiagonal.of(NETWORK, a, nan, ALL.withLabels(labels), WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("outputs of the model are not finite for sample 2");
    }
  }

  @Test
  void whatDoesNotFitIsRefused() throws IOException {
    try (Examples data = samples();
        Examples other = new Examples(Tensor.zeros(DType.F32, 2, 6), new int[] {0, 1}, 2)) {
      assertThatThrownBy(() -> FisherDiagonal.of(NETWORK, a, other, ALL, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("3 outputs, the data 2 classes");
      assertThatThrownBy(() -> FisherDiagonal.of(NETWORK, io, data, ALL, WS))
          .isInstanceOf(IncompatibleModelsException.class);
      assertThatThrownBy(() -> ALL.withSamples(0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least 1");
    }
  }
}
