// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.PermutationAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.stats.Moments;
import org.merganser.torch.networks.Norm;
import org.merganser.torch.networks.ResNet;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

/** A checkpoint that torchvision made; see fixtures/torchvision/make.py. */
class TorchvisionTest {
  private static final TorchNetwork NARROW =
      ResNet.of(18, 0.125, Norm.BATCH, ResNet.Stem.IMAGENET, 10, 3, 64, 64);

  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private static Path fixture(String name) {
    try {
      return Path.of(TorchvisionTest.class.getResource("/fixtures/torchvision/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private double[] logits(Checkpoint theta, Tensor inputs, Mode mode) throws IOException {
    double[][] found = new double[1][];
    try (Network.Session session = NARROW.open(theta, ws)) {
      session.run(
          inputs, mode, Set.of(Network.OUTPUT), (tap, out) -> found[0] = out.toDoubleArray());
    }
    return found[0];
  }

  private static void assertClose(double[] found, double[] wanted) {
    assertThat(found).hasSameSizeAs(wanted);
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).as("%d", i).isCloseTo(wanted[i], within(1e-4));
    }
  }

  @Test
  void namesShapesAndCountersAreTorchvisions() throws IOException {
    try (Checkpoint theirs = Safetensors.open(fixture("resnet18-narrow.safetensors"))) {
      assertThat(NARROW.parameters()).containsExactlyInAnyOrderEntriesOf(theirs.tensors());
      assertThat(NARROW.architecture().validate(theirs)).isEmpty();
      assertThat(NARROW.architecture().counters())
          .hasSize(20)
          .contains("layer2.0.downsample.1.num_batches_tracked");
      assertThat(NARROW.size()).isEqualTo(177362L);
    }
  }

  @Test
  void computesWhatTorchvisionComputes() throws IOException {
    try (Checkpoint theta = Safetensors.open(fixture("resnet18-narrow.safetensors"));
        Checkpoint io = Safetensors.open(fixture("io.safetensors"));
        Tensor inputs = io.read("inputs", ws);
        Tensor evaluated = io.read("logits", ws);
        Tensor trained = io.read("training.logits", ws)) {
      assertClose(logits(theta, inputs, Mode.EVAL), evaluated.toDoubleArray());
      assertClose(logits(theta, inputs, Mode.TRAIN), trained.toDoubleArray());
      // Training mode of a session leaves the model as it is.
      assertClose(logits(theta, inputs, Mode.EVAL), evaluated.toDoubleArray());
    }
  }

  /** One step at a vanishing learning rate moves the running statistics as torch does. */
  @Test
  void trainingUpdatesRunningStatistics() throws IOException {
    try (Checkpoint theta = Safetensors.open(fixture("resnet18-narrow.safetensors"));
        Checkpoint io = Safetensors.open(fixture("io.safetensors"));
        Tensor inputs = io.read("inputs", ws);
        Tensor mean = io.read("training.running_mean", ws);
        Tensor variance = io.read("training.running_var", ws)) {
      Trainer.Options once =
          new Trainer.Options(new Optimizer.Sgd(1e-12, 0, 0), Schedule.linearDecay(), 1, 8, 1, 1);
      try (MemoryCheckpoint trained =
          Trainer.train(NARROW, theta, new Examples(inputs, new int[8], 10), once, ws)) {
        assertClose(trained.tensor("bn1.running_mean").toDoubleArray(), mean.toDoubleArray());
        assertClose(trained.tensor("bn1.running_var").toDoubleArray(), variance.toDoubleArray());
        long counted = trained.tensor("bn1.num_batches_tracked").memory().getLong(0);
        assertThat(counted).isEqualTo(5);
      }
    }
  }

  /** The names that the published code of CCA Merge uses, and a data-parallel prefix. */
  @Test
  void otherNamesAreTranslated() throws IOException {
    try (Checkpoint theta = Safetensors.open(fixture("resnet18-narrow.safetensors"))) {
      Map<String, String> foreign = new LinkedHashMap<>();
      theta
          .tensors()
          .keySet()
          .forEach(
              name ->
                  foreign.put(
                      name,
                      "module."
                          + name.replace(".downsample.", ".shortcut.").replace("fc.", "linear.")));
      Checkpoint canonical = NARROW.canonical(theta.renamed(foreign));
      assertThat(canonical.tensors()).isEqualTo(theta.tensors());
      try (Tensor found = canonical.read("layer2.0.downsample.0.weight", ws);
          Tensor wanted = theta.read("layer2.0.downsample.0.weight", ws)) {
        assertThat(found.sameBytes(wanted)).isTrue();
      }
    }
  }

  @Test
  void aPermutedCopyIsRecovered() throws IOException {
    recover(NARROW, fixture("resnet18-narrow.safetensors"), 100);
  }

  /** Run with -Dmerganser.test.resnet18=FILE, made by make.py --full. */
  @Test
  @EnabledIfSystemProperty(named = "merganser.test.resnet18", matches = ".+")
  void aPermutedCopyOfTheFullNetworkIsRecovered() throws IOException {
    recover(
        ResNet.of(18, 1, Norm.BATCH, ResNet.Stem.IMAGENET, 1000, 3, 64, 64),
        Path.of(System.getProperty("merganser.test.resnet18")),
        300);
  }

  private void recover(TorchNetwork network, Path path, int samples) throws IOException {
    Alignment planted = PlantedPermutationTest.planted(network.architecture(), 11);
    Path copy = Files.createTempFile("permuted", ".safetensors");
    try (Checkpoint a = Safetensors.open(path)) {
      Safetensors.write(planted.apply(a), copy, ws);
      try (Checkpoint b = Safetensors.open(copy);
          Tensor inputs = Oracle.normal(9, samples, 3, 64, 64);
          Moments moments =
              Moments.collect(
                  network,
                  List.of(a, b),
                  new Examples(inputs, new int[samples], 1).batches(50),
                  PermutationAligner.byCorrelation().request(network.architecture()),
                  ws)) {
        Alignment found =
            PermutationAligner.byCorrelation()
                .align(AlignmentProblem.of(network.architecture(), moments), ws)
                .of(1);
        for (FeatureSpace space : network.architecture().spaces()) {
          assertThat(((ScaledPermutation) found.map(space.id())).permutation())
              .as(space.id())
              .isEqualTo(((ScaledPermutation) planted.map(space.id())).inverse().permutation());
        }
        Checkpoint merged =
            LinearMerger.uniform()
                .merge(MergeProblem.of(network.architecture(), List.of(a, found.apply(b))), ws);
        for (String name : a.tensors().keySet()) {
          try (Tensor wanted = a.read(name, ws);
              Tensor tensor = merged.read(name, ws)) {
            assertThat(tensor.sameBytes(wanted)).as(name).isTrue();
          }
        }
      }
    } finally {
      Files.delete(copy);
    }
  }
}
