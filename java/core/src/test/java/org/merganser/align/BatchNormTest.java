// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Models;

/** What happens to the parameters and running statistics of a normalisation. */
class BatchNormTest {
  private static final Architecture ARCHITECTURE =
      Architecture.builder()
          .space(
              "s",
              3,
              MapFamily.PERMUTATION,
              Binding.of("weight", 0, Role.NORM_SCALE),
              Binding.of("bias", 0, Role.NORM_SHIFT),
              Binding.of("running_mean", 0, Role.RUNNING_MEAN),
              Binding.of("running_var", 0, Role.RUNNING_VAR))
          .counter("num_batches_tracked")
          .build();

  @Test
  void permutationsCarryEverything() throws IOException {
    Checkpoint mapped = apply(ScaledPermutation.of(2, 0, 1));
    for (String name : List.of("weight", "bias", "running_mean", "running_var")) {
      assertThat(mapped.read(name, WS).toFloatArray()).as(name).containsExactly(3, 1, 2);
    }
    assertThat(mapped.stale()).isEmpty();
  }

  @Test
  void scalesAreSquaredForVariances() throws IOException {
    Checkpoint mapped = apply(ScaledPermutation.of(new int[] {2, 0, 1}, new double[] {2, 3, 0.5}));
    assertThat(mapped.read("running_mean", WS).toFloatArray()).containsExactly(6, 3, 1);
    assertThat(mapped.read("running_var", WS).toFloatArray()).containsExactly(12, 9, .5f);
    assertThat(mapped.stale()).isEmpty();
  }

  @Test
  void denseMapsMakeRunningStatisticsStaleAndMergesKeepThatInMind() throws IOException {
    LinearMap dense =
        LinearMap.of(
            Matrix.of(new double[][] {{1, -2, 0}, {0, 1, 0}, {0, 0, 1}}),
            Matrix.of(new double[][] {{1, 2, 0}, {0, 1, 0}, {0, 0, 1}}));
    Checkpoint mapped = apply(dense);
    assertThat(mapped.read("weight", WS).toFloatArray()).containsExactly(-3, 2, 3);
    Set<String> stale = Set.of("running_mean", "running_var");
    assertThat(mapped.stale()).isEqualTo(stale);
    Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(model(), mapped), WS);
    assertThat(merged.stale()).isEqualTo(stale);
    assertThat(MemoryCheckpoint.copyOf(merged, WS).stale()).isEqualTo(stale);
    Models.assertSameBits("identity", apply(new IdentityMap(3)), model(), WS);
  }

  private static Checkpoint apply(FeatureMap map) {
    return Alignment.of("test", ARCHITECTURE, Map.of("s", map)).apply(model());
  }

  private static MemoryCheckpoint model() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : List.of("weight", "bias", "running_mean", "running_var")) {
      tensors.put(name, Tensor.of(new float[] {1, 2, 3}, 3));
    }
    tensors.put("num_batches_tracked", Tensor.zeros(DType.I64));
    return MemoryCheckpoint.of(tensors);
  }
}
