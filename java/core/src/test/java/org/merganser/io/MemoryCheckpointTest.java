// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;

class MemoryCheckpointTest {

  @Test
  void keepsTheOrderAndReadsCopies() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("z", Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
    tensors.put("a", Tensor.zeros(DType.I64));
    MemoryCheckpoint checkpoint = MemoryCheckpoint.of(tensors);
    assertThat(checkpoint.tensors().keySet()).containsExactly("z", "a");
    assertThat(checkpoint.info("z")).hasToString("F32 [2, 2]");
    assertThat(checkpoint.parameters()).isEqualTo(5);
    Tensor copy = checkpoint.read("z", WS);
    copy.set(0, 9);
    assertThat(checkpoint.tensor("z").get(0)).isEqualTo(1);
    Tensor rows = Tensor.allocate(DType.F32, 1, 2);
    checkpoint.readRows("z", 1, 2, rows, WS);
    assertThat(rows.toFloatArray()).containsExactly(3, 4);
  }

  @Test
  void copiesOutliveTheirSource() throws IOException {
    MemoryCheckpoint source = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {5}, 1)));
    MemoryCheckpoint copy = MemoryCheckpoint.copyOf(source, WS);
    source.close();
    assertThat(copy.tensor("w").get(0)).isEqualTo(5);
    assertThatThrownBy(() -> source.read("w", WS))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("memory of 4 bytes is already closed");
  }

  @Test
  void wrongTargetsAndNamesAreNamed() {
    MemoryCheckpoint source = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {5}, 1)));
    assertThatThrownBy(() -> source.read("w", Tensor.zeros(DType.F64, 1), WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("target of 'w' is F64 [1], needed F32 [1]");
    assertThatThrownBy(() -> source.tensor("v")).isInstanceOf(IncompatibleModelsException.class);
  }
}
