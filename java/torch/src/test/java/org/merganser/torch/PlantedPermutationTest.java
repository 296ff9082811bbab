// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.align.PermutationAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.StatisticsRequest;

/** Through normalisation, pooling, flatten and residual streams, on every network. */
class PlantedPermutationTest {
  private final Workspace ws = Workspace.builder().threads(2).open();

  @AfterEach
  void close() {
    ws.close();
  }

  static Alignment planted(Architecture architecture, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, ScaledPermutation> maps = new LinkedHashMap<>();
    for (FeatureSpace space : architecture.spaces()) {
      int[] permutation = new int[Math.toIntExact(space.width())];
      for (int i = 0; i < permutation.length; i++) {
        int j = random.nextInt(i + 1);
        permutation[i] = permutation[j];
        permutation[j] = i;
      }
      maps.put(space.id(), ScaledPermutation.of(permutation));
    }
    return Alignment.of("planted", architecture, maps);
  }

  private double[] outputs(Network network, Checkpoint theta, Tensor inputs) throws IOException {
    double[][] found = new double[1][];
    try (Network.Session session = network.open(theta, ws)) {
      session.run(
          inputs,
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, output) -> found[0] = output.toDoubleArray());
    }
    return found[0];
  }

  private static void assertSame(double[] found, double[] wanted) {
    double change = 0;
    double size = 0;
    for (int i = 0; i < wanted.length; i++) {
      change += (found[i] - wanted[i]) * (found[i] - wanted[i]);
      size += wanted[i] * wanted[i];
    }
    assertThat(Math.sqrt(change / size)).isLessThan(1e-5);
  }

  private static Inputs batches(Tensor inputs) {
    return new Examples(inputs, new int[Math.toIntExact(inputs.dim(0))], 1).batches(20);
  }

  private Moments collect(Networks kind, Checkpoint a, Checkpoint b, Inputs inputs)
      throws IOException {
    StatisticsRequest request = StatisticsRequest.NONE;
    Architecture architecture = kind.network().architecture();
    for (String id : Catalogue.aligners().ids()) {
      request = request.and(Catalogue.aligner(id).request(architecture));
    }
    // Products in F64: in MIXED a block with itself and the cross block differ by 1e-6.
    Moments.Options options = new Moments.Options(Precision.F64, NonFinite.FAIL, 1L << 30);
    return Moments.collect(kind.network(), List.of(a, b), inputs, request, options, ws);
  }

  @ParameterizedTest
  @EnumSource
  void keepsTheFunctionAndIsRecoveredToTheBit(Networks kind) throws IOException {
    TorchNetwork network = kind.network();
    Architecture architecture = network.architecture();
    Alignment planted = planted(architecture, 7);
    try (Tensor inputs = kind.inputs(60, 5);
        MemoryCheckpoint a = Oracle.excited(network, 3, inputs, ws);
        MemoryCheckpoint b = MemoryCheckpoint.copyOf(planted.apply(a), ws);
        Moments moments = collect(kind, a, b, batches(inputs))) {
      assertSame(outputs(network, b, inputs), outputs(network, a, inputs));

      Alignment found =
          PermutationAligner.byCorrelation()
              .align(AlignmentProblem.of(architecture, moments), ws)
              .of(1);

      for (FeatureSpace space : architecture.spaces()) {
        int[] wanted = ((ScaledPermutation) planted.map(space.id())).inverse().permutation();
        assertThat(((ScaledPermutation) found.map(space.id())).permutation())
            .as(space.id())
            .isEqualTo(wanted);
      }
      Checkpoint merged = merge(architecture, a, found.apply(b));
      assertThat(merged.stale()).isEmpty();
      for (String name : a.tensors().keySet()) {
        try (Tensor tensor = merged.read(name, ws)) {
          assertThat(tensor.sameBytes(a.tensor(name))).as(name).isTrue();
        }
      }
    }
  }

  /** Every aligner finds that a model fits itself. */
  @ParameterizedTest
  @EnumSource
  void mergingAModelWithItselfChangesNothing(Networks kind) throws IOException {
    TorchNetwork network = kind.network();
    Architecture architecture = network.architecture();
    try (MemoryCheckpoint a = Oracle.lively(network, 4);
        Tensor inputs = kind.inputs(40, 6);
        Moments moments = collect(kind, a, a, batches(inputs))) {
      AlignmentProblem problem = AlignmentProblem.of(architecture, moments);
      for (String id : Catalogue.aligners().ids()) {
        Aligner aligner = Catalogue.aligner(id);
        if (!aligner.traits().contains(Aligner.Trait.KEEPS_EQUAL_MODELS)) {
          continue;
        }
        Checkpoint merged = merge(architecture, a, aligner.align(problem, ws).of(1).apply(a));
        for (String name : a.tensors().keySet()) {
          try (Tensor tensor = merged.read(name, ws)) {
            if (id.equals("identity") || id.equals("permutation")) {
              assertThat(tensor.sameBytes(a.tensor(name))).as(id + " " + name).isTrue();
            }
            double scale = 1e-30;
            double worst = 0;
            for (long i = 0; i < tensor.size() && tensor.dtype().isArithmetic(); i++) {
              scale = Math.max(scale, Math.abs(a.tensor(name).get(i)));
              worst = Math.max(worst, Math.abs(tensor.get(i) - a.tensor(name).get(i)));
            }
            assertThat(worst).as(id + " " + name).isLessThanOrEqualTo(1e-6 * scale);
          }
        }
      }
    }
  }

  @Test
  void aDenseMapAcrossBatchNormMustBeReset() throws IOException {
    Networks kind = Networks.VGG11_BATCH;
    TorchNetwork network = kind.network();
    try (MemoryCheckpoint a = Oracle.lively(network, 4);
        MemoryCheckpoint b = Oracle.lively(network, 5);
        Tensor inputs = kind.inputs(20, 6);
        Moments moments = collect(kind, a, b, batches(inputs))) {
      Alignment dense =
          CcaAligner.relativeGamma(1)
              .align(AlignmentProblem.of(network.architecture(), moments), ws)
              .of(1);
      Checkpoint merged = merge(network.architecture(), a, dense.apply(b));
      assertThat(merged.stale()).hasSize(16).contains("features.1.running_var");
      assertThatThrownBy(() -> network.open(merged, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining(
              "'features.1.running_mean' is stale: a dense map changed what it describes; reset it"
                  + " before use");
    }
  }

  private Checkpoint merge(Architecture architecture, Checkpoint... models) {
    return LinearMerger.uniform().merge(MergeProblem.of(architecture, List.of(models)), ws);
  }
}
