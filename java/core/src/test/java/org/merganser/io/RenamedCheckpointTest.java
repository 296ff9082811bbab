// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.linalg.Tensor;

class RenamedCheckpointTest {
  private static MemoryCheckpoint source() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("a", Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
    tensors.put("b", Tensor.of(new float[] {5}, 1));
    return MemoryCheckpoint.of(tensors, Map.of("made", "here"), Set.of("a"));
  }

  @Test
  void readsUnderTheNewNames() throws IOException {
    Checkpoint renamed = RenamedCheckpoint.of(source(), Map.of("a", "x.a", "gone", "y"));
    assertThat(renamed.tensors().keySet()).containsExactly("x.a", "b");
    assertThat(renamed.stale()).containsExactly("x.a");
    assertThat(renamed.metadata()).containsEntry("made", "here");
    assertThat(renamed.read("x.a", WS).toFloatArray()).containsExactly(1, 2, 3, 4);
    Tensor row = Tensor.zeros(org.merganser.compute.DType.F32, 1, 2);
    renamed.readRows("x.a", 1, 2, row, WS);
    assertThat(row.toFloatArray()).containsExactly(3, 4);
    assertThatThrownBy(() -> renamed.read("a", WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("missing tensor");
  }

  /** What is stale is asked of the source once, not for each name. */
  @Test
  @Timeout(20)
  void manyNamesTakeNoTime() {
    Tensor one = Tensor.of(new float[] {1}, 1);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int i = 0; i < 50_000; i++) {
      tensors.put("module.b" + i, one);
    }
    Checkpoint source = MemoryCheckpoint.of(tensors, Map.of(), tensors.keySet());
    Checkpoint renamed = source.where(name -> true).withoutPrefix(List.of("module."));
    assertThat(renamed.stale()).hasSize(50_000).contains("b0");
  }

  @Test
  void refusesTwoTensorsOfOneName() {
    assertThatThrownBy(() -> RenamedCheckpoint.of(source(), Map.of("a", "b")))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'a' and 'b' both become 'b'");
  }
}
