// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.SlerpMerger;
import org.merganser.testing.NoiseCheckpoint;

/** What is known of files before they are written. */
class ShardPlanTest {
  private static ShardPlan plan(long shardBytes, long... sizes) throws IOException {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    for (long size : sizes) {
      tensors.put("t" + tensors.size(), TensorInfo.of(DType.U8, size));
    }
    return ShardPlan.of(new NoiseCheckpoint(tensors, 1, 1), shardBytes);
  }

  private static List<List<String>> tensors(ShardPlan plan) {
    return plan.shards().stream().map(shard -> List.copyOf(shard.tensors().keySet())).toList();
  }

  @Test
  void shardsTakeTensorsInTheirOrder() throws IOException {
    assertThat(tensors(plan(10, 4, 6, 1, 20, 3, 8)))
        .containsExactly(
            List.of("t0", "t1"), List.of("t2"), List.of("t3"), List.of("t4"), List.of("t5"));
    assertThat(plan(10, 4, 6, 1).shards())
        .extracting(ShardPlan.Shard::name)
        .containsExactly("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    assertThat(plan(10, 4, 6).shards())
        .extracting(ShardPlan.Shard::name)
        .containsExactly("model.safetensors");
    assertThat(plan(1).shards()).hasSize(1);
    assertThatThrownBy(() -> plan(0, 1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aPetabyteIsPlannedAtOnce() throws IOException {
    ShardPlan plan = plan(ShardPlan.DEFAULT_SHARD_BYTES, 1L << 50, 1, 1L << 49);
    assertThat(plan.shards()).hasSize(3);
    assertThat(plan.bytes()).isBetween(3L << 49, (3L << 49) + 2000);
    assertThat(plan.reads()).isEqualTo((3L << 49) + 1);
    assertThat(plan.memory(2)).isLessThan(10 << 20);
  }

  @Test
  void plansDifferInWhatFilesDifferIn() throws IOException {
    assertThat(plan(10, 4, 6).digest())
        .isEqualTo(plan(99, 4, 6).digest())
        .isNotEqualTo(plan(9, 4, 6).digest())
        .isNotEqualTo(plan(10, 4, 5).digest());
  }

  @Test
  void costsAreTheMethods() throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (int seed = 1; seed <= 3; seed++) {
      models.add(new NoiseCheckpoint(NoiseCheckpoint.shapes(), seed, 1).as(DType.F32));
    }
    long bytes = models.get(0).tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
    ShardPlan linear = plan(LinearMerger.uniform(), models);
    assertThat(linear.passes()).isEqualTo(1);
    assertThat(linear.bytes()).isGreaterThan(bytes);
    ShardPlan slerp = plan(SlerpMerger.of(SlerpMerger.Options.defaults()), models.subList(0, 2));
    assertThat(slerp.passes()).isEqualTo(2);
    assertThat(3 * slerp.reads()).isEqualTo(4 * linear.reads());
    assertThat(slerp.costs().get("norm").method()).isEqualTo("slerp");
    long stored = NoiseCheckpoint.shapes().values().stream().mapToLong(TensorInfo::bytes).sum();
    assertThat(linear.reads()).isEqualTo(3 * stored);
    // A tile for each model, and one that is converted; not the model.
    assertThat(linear.memory(1)).isLessThan(40 << 20);
  }

  @Test
  void timeFollowsFromBytesAndARate() throws IOException {
    ShardPlan plan = plan(10, 4, 6, 1);
    assertThat(plan.seconds(100, 2)).isEqualTo((11 + plan.bytes()) / 200.0);
    Checkpoint input = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 1, 1);
    assertThat(ShardPlan.rate(input, WS)).isBetween(1e5, 1e12);
  }

  @Test
  void aStaleModelIsPlannedOnRequest() throws IOException {
    Checkpoint stale =
        MemoryCheckpoint.of(Map.of("v", Tensor.of(new float[] {1}, 1)), Map.of(), Set.of("v"));
    assertThatThrownBy(() -> ShardPlan.of(stale, 10))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("stale");
    assertThat(ShardPlan.of(stale, 10, Safetensors.Stale.WRITE).shards()).hasSize(1);
  }

  private static ShardPlan plan(Merger merger, List<Checkpoint> models) throws IOException {
    return ShardPlan.of(merger.merge(MergeProblem.of(models), WS), ShardPlan.DEFAULT_SHARD_BYTES);
  }

  /** Pieces cover a tensor, in order, none larger than it may be, and end with its blocks. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void piecesCoverATensor(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int round = 0; round < 500; round++) {
      long[] dims = new long[random.nextInt(5)];
      for (int k = 0; k < dims.length; k++) {
        dims[k] = random.nextInt(10) == 0 ? 0 : 1 + random.nextInt(9);
      }
      DType dtype = random.nextBoolean() ? DType.F64 : DType.BF16;
      TensorInfo info = TensorInfo.of(dtype, dims);
      long most = 8 + random.nextInt(300);
      Pieces pieces = Pieces.of(info, most);
      long block = 1;
      for (int k = dims.length - 1; k >= 0 && random.nextBoolean(); k--) {
        block *= Math.max(1, dims[k]);
      }
      long at = 0;
      for (int piece = 0; piece < pieces.count(); piece++) {
        assertThat(pieces.begin(piece)).isEqualTo(at);
        at = pieces.end(piece);
        assertThat(dtype.bytes(at - pieces.begin(piece))).isLessThanOrEqualTo(most);
      }
      assertThat(at).as(info + " by " + most).isEqualTo(info.size());
      for (int piece = 0; piece < pieces.count(); ) {
        int end = pieces.upTo(piece, block);
        long elements = pieces.end(end - 1) - pieces.begin(piece);
        assertThat(elements * dtype.bits() / 8)
            .isLessThanOrEqualTo(Math.max(most, block * dtype.bits() / 8));
        piece = end;
      }
    }
  }
}
