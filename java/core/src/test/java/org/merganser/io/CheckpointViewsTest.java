// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Tensor;

/** Checkpoints under other types, other names, or in part; stale ones. */
class CheckpointViewsTest {
  @TempDir Path folder;

  private static MemoryCheckpoint mixed() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("single", Tensor.of(new float[] {1.00390625f, -2}, 2));
    tensors.put("double", Tensor.of(new double[] {0.1, 1e-300}, 1, 2));
    tensors.put("half", Tensor.of(DType.BF16, new double[] {3, Double.NEGATIVE_INFINITY}, WS));
    tensors.put("count", Tensor.zeros(DType.I64));
    return MemoryCheckpoint.of(tensors, Map.of("k", "v"), Set.of("half"));
  }

  @Test
  void oneTypeForAll() throws IOException {
    Checkpoint view = mixed().as(DType.BF16);
    assertThat(view.info("double")).isEqualTo(TensorInfo.of(DType.BF16, 1, 2));
    assertThat(view.info("count")).isEqualTo(TensorInfo.of(DType.I64));
    assertThat(view.metadata()).containsEntry("k", "v");
    assertThat(view.stale()).containsExactly("half");
    // A tie: 1 + 2^-8 lies between two values, the even one is 1.
    assertThat(view.read("single", WS).toDoubleArray()).containsExactly(1, -2);
    assertThat(view.read("double", WS).toDoubleArray()).containsExactly(0.10009765625, 0);
    assertThat(view.read("half", WS).get(1)).isEqualTo(Double.NEGATIVE_INFINITY);
    Tensor row = Tensor.allocate(DType.BF16, 1, 2);
    view.readRows("double", 0, 1, row, WS);
    assertThat(row.get(0)).isEqualTo(0.10009765625);
  }

  @Test
  void valuesBeyondTheRangeAreRefused() {
    Checkpoint view = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {1, 7e4f}, 2)));
    assertThatThrownBy(() -> view.as(DType.F16).read("w", WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "'w' F32 [2]: 1 values are beyond the range of F16; convert to BF16 or F32 instead");
    // What torch.finfo(torch.float32).min, common in masks, becomes.
    Checkpoint mask =
        MemoryCheckpoint.of(Map.of("m", Tensor.of(new float[] {-Float.MAX_VALUE}, 1)));
    assertThatThrownBy(() -> mask.as(DType.BF16).read("m", WS))
        .hasMessageEndingWith("beyond the range of BF16; convert to F32 instead");
    assertThatThrownBy(() -> view.as(DType.I64)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void partOfTheTensors() throws IOException {
    Checkpoint view = mixed().where(name -> !name.equals("half"));
    assertThat(view.tensors().keySet()).containsExactly("single", "double", "count");
    assertThat(view.stale()).isEmpty();
    assertThat(view.read("single", WS).get(1)).isEqualTo(-2);
    assertThatThrownBy(() -> view.read("half", WS)).isInstanceOf(IncompatibleModelsException.class);
  }

  @Test
  void prefixesAreTakenOff() {
    Tensor tensor = Tensor.zeros(DType.F32, 1);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    List.of("module.a", "_orig_mod.b", "module.module.c", "d").forEach(n -> tensors.put(n, tensor));
    Checkpoint model = MemoryCheckpoint.of(tensors);
    assertThat(
            RenamedCheckpoint.withoutPrefix(model, List.of("_orig_mod.", "module."))
                .tensors()
                .keySet())
        .containsExactly("a", "b", "module.c", "d");
    assertThatThrownBy(
            () ->
                RenamedCheckpoint.withoutPrefix(
                    MemoryCheckpoint.of(Map.of("m.a", tensor, "a", tensor)), List.of("m.")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("both become 'a'");
  }

  @Test
  void aStaleModelIsWrittenOnlyWhenThatIsAskedFor() throws IOException {
    Path file = folder.resolve("m.safetensors");
    for (Path target : List.of(file, folder.resolve("new"))) {
      assertThatThrownBy(
              () -> {
                if (target.equals(file)) {
                  Safetensors.write(mixed(), target, WS);
                } else {
                  Safetensors.writeFolder(mixed(), target, 100, WS);
                }
              })
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageStartingWith("cannot write " + target + ": a dense map changed")
          .hasMessageContaining("BatchNormReset")
          .hasMessageContaining("m.momentum = None; m.reset_running_stats()")
          .hasMessageEndingWith("stale:\n  'half'");
      assertThat(target).doesNotExist();
    }
    Safetensors.write(mixed(), Map.of("k", "v"), file, Safetensors.Stale.WRITE, WS);
    Path again = folder.resolve("again.safetensors");
    try (Checkpoint read = Safetensors.open(file)) {
      // What is stale stays known, and is not mistaken for metadata.
      assertThat(read.stale()).containsExactly("half");
      assertThat(read.metadata()).isEqualTo(Map.of("k", "v"));
      assertThatThrownBy(() -> Safetensors.write(read, again, WS))
          .isInstanceOf(IncompatibleModelsException.class);
      Safetensors.write(MemoryCheckpoint.of(read(read)), again, WS);
    }
    try (Checkpoint read = Safetensors.open(again)) {
      assertThat(read.stale()).isEmpty();
    }
  }

  private static Map<String, Tensor> read(Checkpoint source) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : source.tensors().keySet()) {
      tensors.put(name, source.read(name, WS));
    }
    return tensors;
  }
}
