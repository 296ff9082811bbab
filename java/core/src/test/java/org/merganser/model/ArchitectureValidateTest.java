// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Binding.Block;

class ArchitectureValidateTest {

  @Test
  void everyMismatchIsReportedAtOnce() {
    Architecture architecture =
        Architecture.builder()
            .space(
                "fc1",
                4,
                MapFamily.PERMUTATION,
                Binding.of("fc1.weight", 0, Role.WEIGHT_OUT),
                Binding.of("fc1.bias", 0, Role.BIAS),
                Binding.of("steps", 0, Role.BIAS),
                Binding.of("fc2.wieght", 1, Role.WEIGHT_IN),
                Binding.of("fc1.bias", 1, Role.WEIGHT_IN))
            .space(
                "fc2",
                3,
                MapFamily.PERMUTATION,
                Binding.of("fc2.weight", 0, Role.WEIGHT_OUT),
                new Binding("fc3.weight", 1, Role.WEIGHT_IN, new Block(0, 4)))
            .build();
    Checkpoint model =
        model(
            Map.entry("fc1.weight", new long[] {5, 2}),
            Map.entry("fc1.bias", new long[] {4}),
            Map.entry("fc2.weight", new long[] {2, 4}),
            Map.entry("fc3.weight", new long[] {2, 8}));
    assertThat(architecture.validate(model))
        .containsExactly(
            "space 'fc1': 'fc1.weight' F32 [5, 2] axis 0: size 5, the space needs 4",
            "space 'fc1': 'steps' I64 [4] axis 0: maps apply to F64, F32, F16 and BF16 only",
            "no tensor 'fc2.wieght' (nearest of 5: fc2.weight, fc1.weight, fc3.weight)",
            "space 'fc1': 'fc1.bias' F32 [4] axis 1: it has only 1 axes",
            "space 'fc2': 'fc2.weight' F32 [2, 4] axis 0: size 2, the space needs 3",
            "space 'fc2': 'fc3.weight' F32 [2, 8] axis 1: size 8, the space needs 12");
    assertThatThrownBy(() -> architecture.require("model B", model))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class, e -> assertThat(e.problems()).hasSize(6))
        .hasMessageStartingWith("model B does not fit the architecture:\n  space 'fc1'");
  }

  @Test
  void aFusedAxisIsSharedByBlocks() {
    Checkpoint model = model(Map.entry("qkv", new long[] {12, 2}));
    assertThat(fused(new Block(0, 1), new Block(4, 1), new Block(8, 1)).validate(model)).isEmpty();
    // Two of three: the rest of the axis belongs to nobody, which is said by the offset.
    assertThat(fused(new Block(0, 1), new Block(8, 1)).validate(model)).isEmpty();
    assertThat(fused(new Block(4, 2)).validate(model)).isEmpty();
    assertThat(fused(new Block(0, 1)).validate(model))
        .containsExactly("space 's0': 'qkv' F32 [12, 2] axis 0: size 12, the space needs 4");
  }

  @Test
  void blocksMustNotOverlap() {
    Checkpoint model = model(Map.entry("qkv", new long[] {12, 2}));
    assertThat(fused(new Block(0, 1), new Block(3, 1)).validate(model))
        .containsExactly("'qkv' axis 0: entries 0..3 of space 's0' and 3..6 of space 's1' overlap");
  }

  /** Blocks with gaps may lie in one another's; where they meet is found against all entries. */
  @Test
  void blocksWithGapsOverlapWhereTheirEntriesMeet() {
    Checkpoint model = model(Map.entry("qkv", new long[] {40, 2}));
    for (int offset = 0; offset < 12; offset++) {
      for (int repeat = 1; repeat < 4; repeat++) {
        for (int stride = repeat; stride < 9; stride++) {
          Block first = new Block(2, 2, 5);
          Block second = new Block(offset, repeat, stride);
          boolean meet = entries(first).stream().anyMatch(entries(second)::contains);
          assertThat(fused(first, second).validate(model).isEmpty())
              .as("%s and %s", first, second)
              .isEqualTo(!meet);
        }
      }
    }
    assertThat(fused(new Block(0, 1, 3), new Block(6, 1, 3)).validate(model))
        .containsExactly(
            "'qkv' axis 0: entries 0..9 in steps of 3 of space 's0' and 6..15 in steps of 3 of"
                + " space 's1' overlap");
    assertThat(fused(new Block(0, 1, 14)).validate(model))
        .containsExactly("space 's0': 'qkv' F32 [40, 2] axis 0: size 40, the space needs 43");
  }

  /** Blocks that do not fit the tensor are said to, and not gone through. */
  @Test
  @Timeout(10)
  void hugeBlocksAndManyBlocksTakeNoTime() {
    Checkpoint small = model(Map.entry("qkv", new long[] {40, 2}));
    Architecture.Builder huge = Architecture.builder();
    for (int i = 0; i < 9; i++) {
      Binding gaps = new Binding("qkv", 0, Role.WEIGHT_OUT, new Block(i, 1, 9));
      huge.space("s" + i, Integer.MAX_VALUE / 9 - 1, MapFamily.PERMUTATION, gaps);
    }
    assertThat(huge.build().validate(small)).hasSize(9).allMatch(p -> p.contains("size 40, "));
    int many = 30_000;
    Architecture.Builder builder = Architecture.builder();
    for (int i = 0; i < many; i++) {
      Binding one = new Binding("qkv", 0, Role.WEIGHT_OUT, new Block(i, 1));
      builder.space("s" + i, 1, MapFamily.PERMUTATION, one);
    }
    assertThat(builder.build().validate(model(Map.entry("qkv", new long[] {many, 1})))).isEmpty();
  }

  private static Set<Long> entries(Block block) {
    Set<Long> entries = new HashSet<>();
    for (long f = 0; f < 4; f++) {
      for (long k = 0; k < block.repeat(); k++) {
        entries.add(block.offset() + f * block.stride() + k);
      }
    }
    return entries;
  }

  /** Offsets and sizes come from files: a sum that wraps around must not pass as small. */
  @Test
  void blocksThatOverflowDoNotFit() {
    Checkpoint model = model(Map.entry("qkv", new long[] {12, 2}));
    for (Block block :
        new Block[] {
          new Block(0, 1L << 62),
          new Block(1, 1L << 62),
          new Block(Long.MAX_VALUE, 1),
          new Block(Long.MAX_VALUE - 3, 1),
          new Block(0, 1, 1L << 62)
        }) {
      assertThat(fused(block).validate(model))
          .as("%s", block)
          .containsExactly(
              "space 's0': 'qkv' F32 [12, 2] axis 0: size 12, the space needs " + Long.MAX_VALUE);
    }
  }

  @Test
  void definitionsAreChecked() {
    assertThatThrownBy(() -> new Block(-1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("block needs offset >= 0 and repeat >= 1, not -1 and 1");
    assertThatThrownBy(() -> new Block(0, 3, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("block of stride 2 has features of 3 entries: they overlap");
    assertThatThrownBy(() -> new Block(0, 0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Binding.of("", 0, Role.BIAS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("binding needs a tensor name and axis >= 0, not '' and 0");
    Binding binding = Binding.of("w", 0, Role.BIAS);
    assertThatThrownBy(() -> Architecture.builder().space("a/b", 1, MapFamily.PERMUTATION, binding))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("space id 'a/b' must be a plain file name");
    assertThatThrownBy(() -> Architecture.builder().space("a", 0, MapFamily.PERMUTATION, binding))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("space 'a' has width 0");
    Architecture.Builder builder =
        Architecture.builder().space("a", 1, MapFamily.PERMUTATION, binding);
    assertThatThrownBy(() -> builder.space("a", 1, MapFamily.PERMUTATION, binding))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("space 'a' is given twice");
    assertThatThrownBy(() -> builder.build().space("b"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no space 'b'; there are [a]");
  }

  private static Architecture fused(Block... blocks) {
    Architecture.Builder builder = Architecture.builder();
    for (int i = 0; i < blocks.length; i++) {
      builder.space(
          "s" + i, 4, MapFamily.PERMUTATION, new Binding("qkv", 0, Role.WEIGHT_OUT, blocks[i]));
    }
    return builder.build();
  }

  @SafeVarargs
  private static Checkpoint model(Map.Entry<String, long[]>... shapes) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> shape : shapes) {
      tensors.put(shape.getKey(), Tensor.zeros(DType.F32, shape.getValue()));
    }
    tensors.put("steps", Tensor.zeros(DType.I64, 4));
    return MemoryCheckpoint.of(tensors);
  }
}
