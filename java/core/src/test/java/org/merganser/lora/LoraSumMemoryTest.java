// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Oracle;
import org.merganser.testing.SettledMemory;

/** A sum holds the factors of one module at a time, and none when it ends or fails. */
class LoraSumMemoryTest {
  @TempDir private Path folder;

  /** Each module's factors end when the next are made. */
  @Test
  void factorsOfOneModuleAreHeld() throws Exception {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int m = 0; m < 8; m++) {
      Adapters.put(tensors, "m" + m, Oracle.gaussian(4, 8192, m), Oracle.gaussian(8192, 4, m));
    }
    Path path = Adapters.write(folder.resolve("wide"), "\"r\": 4, \"lora_alpha\": 2", tensors);
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Tensor into = Tensor.allocate(DType.F32, 4, 8192)) {
      Checkpoint sum = LoraSum.exact(List.of(adapter), List.of(1.0)).tensors();
      long before = 0;
      for (int m = 0; m < 8; m++) {
        sum.read("base_model.model.m" + m + ".lora_A.weight", into, WS);
        before = m == 0 ? Natives.allocatedBytes() : before;
      }
      assertThat(Natives.allocatedBytes()).isLessThan(before + 4 * into.bytes());
    }
  }

  /** The factors of the last module are those that nobody asks for again. */
  @Test
  void factorsEndWithTheSum() throws Exception {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(tensors, "m", Oracle.gaussian(4, 65536, 1), Oracle.gaussian(8, 4, 2));
    Path path = Adapters.write(folder.resolve("wide"), "\"r\": 4, \"lora_alpha\": 2", tensors);
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Tensor into = Tensor.allocate(DType.F32, 4, 65536)) {
      long before = SettledMemory.bytes();
      LoraSum written = LoraSum.exact(List.of(adapter), List.of(1.0));
      written.write(folder.resolve("sum"), DType.F32, false, WS);
      assertThat(Natives.allocatedBytes()).isLessThan(before + into.bytes());
      LoraSum read = LoraSum.exact(List.of(adapter), List.of(1.0));
      read.tensors().read("base_model.model.m.lora_A.weight", into, WS);
      read.close();
      assertThat(Natives.allocatedBytes()).isLessThan(before + into.bytes());
      read.tensors().read("base_model.model.m.lora_A.weight", into, WS);
      read.close();
    }
  }

  /** A is there when B turns out not to be finite. */
  @Test
  void halfAPairIsNotLeft() throws Exception {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Adapters.put(
        tensors, "m", Oracle.gaussian(4, 65536, 1), new double[][] {{1, 1, Double.NaN, 1}});
    Path path = Adapters.write(folder.resolve("nan"), "\"r\": 4, \"lora_alpha\": 2", tensors);
    try (LoraAdapter adapter = LoraAdapter.open(path);
        Tensor into = Tensor.allocate(DType.F32, 4, 65536);
        LoraSum sum = LoraSum.ofFactors(List.of(adapter), List.of(1.0))) {
      long before = SettledMemory.bytes();
      assertThatThrownBy(() -> sum.tensors().read("base_model.model.m.lora_A.weight", into, WS))
          .isInstanceOf(NumericalException.class);
      assertThat(Natives.allocatedBytes()).isLessThan(before + into.bytes());
    }
  }
}
