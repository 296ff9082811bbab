// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Inputs;
import org.merganser.plan.Catalogue;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.Models;
import org.merganser.testing.NormedMlp;
import org.merganser.testing.Oracle;

/** What every repair of the catalogue promises. */
class RepairsContractTest {
  private static final Inputs INPUTS = JavaNetwork.inputs(Oracle.gaussian(300, 5, 9), 100);

  /** Without and with batch normalisation. */
  private static final List<NormedMlp> NETWORKS =
      List.of(new NormedMlp(false, 5, 8, 7, 3), new NormedMlp(true, 5, 8, 7, 3));

  static Stream<String> repairs() {
    return Catalogue.repairs().variants().stream();
  }

  private static Repair repair(String id) {
    return Catalogue.repairs().method(id);
  }

  private static boolean takes(Repair repair, NormedMlp network) {
    try {
      repair.check(network);
      return true;
    } catch (IncompatibleModelsException e) {
      return false;
    }
  }

  private static List<NormedMlp> taken(String id) {
    List<NormedMlp> taken = NETWORKS.stream().filter(n -> takes(repair(id), n)).toList();
    assertThat(taken).as("networks that " + id + " corrects").isNotEmpty();
    return taken;
  }

  private static RepairProblem problem(NormedMlp network, List<MemoryCheckpoint> models) {
    Checkpoint merged =
        LinearMerger.uniform().merge(MergeProblem.of(network.architecture(), models), WS);
    return RepairProblem.of(network, merged, models, INPUTS);
  }

  @ParameterizedTest
  @MethodSource("repairs")
  void inputsAreNotChangedAndTypesStay(String id) throws IOException {
    for (NormedMlp network : taken(id)) {
      for (DType dtype : new DType[] {DType.F64, DType.F32}) {
        List<MemoryCheckpoint> models = new ArrayList<>();
        List<MemoryCheckpoint> copies = new ArrayList<>();
        for (int k = 0; k < 2; k++) {
          models.add(network.random(dtype, k, WS));
          copies.add(MemoryCheckpoint.copyOf(models.get(k), WS));
        }
        RepairProblem problem = problem(network, models);
        try (MemoryCheckpoint before = MemoryCheckpoint.copyOf(problem.merged(), WS);
            MemoryCheckpoint repaired = repair(id).apply(problem, WS)) {
          assertThat(repaired.tensors()).isEqualTo(before.tensors());
          assertThat(repaired.stale()).isEmpty();
          Models.assertSameBits("merged", problem.merged(), before, WS);
        }
        for (int k = 0; k < 2; k++) {
          Models.assertSameBits("model " + k, models.get(k), copies.get(k), WS);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("repairs")
  void theResultDoesNotDependOnThreads(String id) throws IOException {
    for (NormedMlp network : taken(id)) {
      List<MemoryCheckpoint> models =
          List.of(network.random(DType.F32, 1, WS), network.random(DType.F32, 2, WS));
      MemoryCheckpoint expected = null;
      for (int threads : new int[] {1, 2, 8}) {
        try (Workspace ws = Workspace.builder().threads(threads).open()) {
          MemoryCheckpoint found = repair(id).apply(problem(network, models), ws);
          expected = expected == null ? found : expected;
          Models.assertSameBits(threads + " threads", found, expected, ws);
        }
      }
    }
  }

  /** A network that it cannot correct is refused, and the message names a repair that can. */
  @ParameterizedTest
  @MethodSource("repairs")
  void whatItCannotCorrectIsRefused(String id) throws IOException {
    for (NormedMlp network : NETWORKS) {
      if (takes(repair(id), network)) {
        continue;
      }
      String other =
          Catalogue.repairs().ids().stream()
              .filter(each -> takes(repair(each), network))
              .findFirst()
              .orElseThrow();
      try (MemoryCheckpoint model = network.random(DType.F64, 1, WS)) {
        RepairProblem problem = RepairProblem.of(network, model, List.of(model), INPUTS);
        assertThatThrownBy(() -> repair(id).apply(problem, WS))
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining("batch normalisation")
            .hasMessageContaining("use '" + other + "' instead");
      }
    }
  }
}
