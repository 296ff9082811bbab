// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NativeLibraryException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.model.Evaluation;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNatives;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;

/**
 * What libtorch does for a Workspace of this JVM's backend: the CPU, the fake device, or a GPU
 * where there is one ({@code cppbuild.sh gpu-check-java} and the profile torch-gpu).
 */
class CudaWorkspaceTest {
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(6, 12, 2, 3, Activation.RELU);

  private final Workspace ws = Workspace.builder().seed(4).threads(2).open();
  private final Examples data = Oracle.clusters(1, 300, 6, 3);
  private final MemoryCheckpoint a = NETWORK.initialise(1);
  private final MemoryCheckpoint c = NETWORK.initialise(2);

  @BeforeEach
  void load() {
    TorchNatives.load();
  }

  @AfterEach
  void close() {
    List.of(data, a, c).forEach(CudaWorkspaceTest::close);
    ws.close();
  }

  private static void close(AutoCloseable each) {
    try {
      each.close();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void withoutAGpuTheObjectiveSaysWhatIsMissing() {
    assumeTrue(ws.device() == Device.CUDA && !torch.cuda_is_available(), "not on the fake device");
    boolean gpuBuild =
        getClass().getResource("/org/bytedeco/pytorch/linux-x86_64-gpu/libtorch_cpu.so") != null;
    assertThatThrownBy(() -> TorchObjective.of(NETWORK, data).open(ws))
        .isInstanceOf(NativeLibraryException.class)
        .hasMessageStartingWith("libtorch cannot compute on CUDA, where the Workspace does: ")
        .hasMessageContaining(
            gpuBuild
                ? ": it"
                : "the class path has its build for the CPU; put org.bytedeco:pytorch with"
                    + " classifier linux-x86_64-gpu there instead (Merganser's own build: the"
                    + " Maven profile torch-gpu)")
        .hasMessageEndingWith(", or open the Workspace with Backend.CPU");
  }

  @Test
  void npMergeCopiesNothingInItsSteps() throws IOException {
    assumeTrue(ws.device() == Device.HOST || torch.cuda_is_available(), "libtorch has no GPU");
    TorchObjective objective = TorchObjective.of(NETWORK, data);
    NpMerger merger = NpMerger.of(objective, NpMerger.Options.defaults().withSteps(40));
    MergeProblem problem = MergeProblem.of(a, c);
    try (Workspace cpu = Workspace.builder().seed(4).threads(2).backend(Backend.CPU).open();
        NpMerger.Result found = merger.learn(problem, ws);
        NpMerger.Result wanted = merger.learn(problem, cpu);
        FineTuning tuned = FineTuning.of(objective, a, FineTuning.Options.adam(40, 10, 5), ws)) {
      assertThat(found.traffic()).isEqualTo(new NpMerger.Traffic(0, 0));
      for (int step = 0; step < wanted.losses().size(); step++) {
        assertThat(found.losses().get(step)).isCloseTo(wanted.losses().get(step), within(1e-3));
      }
      assertThat(tuned.losses().get(39)).isLessThan(tuned.losses().get(0));
    }
  }

  /** Of any type: what is computed lies where the layers read it. */
  @Test
  void forwardPassesRunWhereLibtorchCan() throws IOException {
    Evaluation wanted = Evaluation.of(NETWORK, a, data, ws);
    for (DType dtype : List.of(DType.F64, DType.BF16, DType.F16)) {
      Checkpoint stored = a.as(dtype);
      assertThat(Evaluation.of(NETWORK, stored, data, ws).loss())
          .isCloseTo(wanted.loss(), within(1e-2));
    }
    boolean there = ws.device() == Device.CUDA && torch.cuda_is_available();
    try (Network.Session session = NETWORK.open(a, ws);
        Tensor batch = data.inputs().rows(0, 7)) {
      session.run(
          batch,
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, out) ->
              assertThat(out.memory().device()).isEqualTo(there ? Device.CUDA : Device.HOST));
    }
  }
}
