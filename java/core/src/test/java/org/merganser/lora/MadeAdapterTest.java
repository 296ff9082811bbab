// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.Interference;

/** Adapters that are made here, as training makes them. */
class MadeAdapterTest {
  @TempDir private Path temp;

  private static LoraAdapter inMemory(
      double alpha, boolean rootOfRank, Map<String, String> metadata) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put(
        LoraAdapter.nameOfA("m"),
        Adapters.tensor(DType.F32, new double[][] {{1, 2, 3}, {0, 1, 0}}));
    tensors.put(
        LoraAdapter.nameOfB("m"), Adapters.tensor(DType.F32, new double[][] {{1, -1}, {2, 1}}));
    return LoraAdapter.of(
        new LoraAdapter.Settings("made here", "some/base", 2, alpha, rootOfRank),
        MemoryCheckpoint.of(tensors, metadata, Set.of()));
  }

  private static MemoryCheckpoint model(double... weight) {
    return MemoryCheckpoint.of(
        Map.of(
            "m.weight",
            Adapters.tensor(
                DType.F32,
                new double[][] {
                  {weight[0], weight[1], weight[2]}, {weight[3], weight[4], weight[5]}
                })));
  }

  /** What is made in memory, written and opened again is the same adapter, of the same base. */
  @Test
  void adaptersAreMadeWrittenAndOpened() throws IOException {
    try (MemoryCheckpoint base = model(1, 1, 1, 1, 1, 1);
        MemoryCheckpoint other = model(1, 1, 1, 1, 1, 2);
        LoraAdapter made = inMemory(2.5, true, LoraAdapter.baseDigests(base, WS))) {
      double s = 2.5 / Math.sqrt(2);
      made.write(temp.resolve("a"), false, WS);
      try (LoraAdapter opened = LoraAdapter.open(temp.resolve("a"))) {
        for (LoraAdapter adapter : List.of(made, opened)) {
          assertThat(adapter.baseName()).isEqualTo("some/base");
          try (Tensor found = adapter.fold(base).read("m.weight", WS)) {
            double[] wanted = {1 + s, 1 + s, 1 + 3 * s, 1 + 2 * s, 1 + 5 * s, 1 + 6 * s};
            assertThat(found.toDoubleArray()).containsExactly(wanted, within(1e-5));
          }
          adapter.requireBase(base, WS);
          assertThatThrownBy(() -> adapter.requireBase(other, WS))
              .isInstanceOf(IncompatibleModelsException.class)
              .hasMessage(
                  "adapter "
                      + adapter
                      + " was not trained for this model: 1 of 1 tensors differ:\n"
                      + "  'm.weight' has other values than the model it was trained for");
        }
        opened.write(temp.resolve("b"), false, WS);
        for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
          assertThat(temp.resolve("b").resolve(file))
              .hasSameBinaryContentAs(temp.resolve("a").resolve(file));
        }
        assertThatThrownBy(() -> opened.write(temp.resolve("a"), true, WS))
            .isInstanceOf(IOException.class)
            .hasMessage(temp.resolve("a") + " is read; name another folder");
      }
      assertThat(made.path()).isEmpty();
      assertThat(made.files()).isEmpty();
      assertThatThrownBy(() -> made.write(temp.resolve("a"), false, WS))
          .isInstanceOf(FileAlreadyExistsException.class);
      // Nothing was recorded: nothing is known.
      inMemory(1, false, Map.of()).requireBase(other, WS);
    }
  }

  private static MemoryCheckpoint ordered(String... names) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : names) {
      tensors.put(name, Adapters.tensor(DType.F32, new double[][] {{name.charAt(0), 1}}));
    }
    return MemoryCheckpoint.of(tensors);
  }

  /** An adapter of which nothing is known does not hide that the others are of two models. */
  @Test
  void sumsAreOfOneModelWhereverTheRecordsAre() throws IOException {
    try (MemoryCheckpoint base = model(1, 1, 1, 1, 1, 1);
        MemoryCheckpoint another = model(1, 1, 1, 1, 1, 2);
        LoraAdapter unknown = inMemory(1, false, Map.of());
        LoraAdapter x = inMemory(2, false, LoraAdapter.baseDigests(base, WS));
        LoraAdapter y = inMemory(3, false, LoraAdapter.baseDigests(another, WS))) {
      List<LoraAdapter> mixed = List.of(unknown, x, y);
      List<Double> ones = List.of(1.0, 1.0, 1.0);
      String message = "was trained for another model than made here";
      for (ThrowingCallable each :
          List.<ThrowingCallable>of(
              () -> LoraSum.exact(mixed, ones),
              () -> LoraSum.ofFactors(mixed, ones),
              () -> LoraSum.aligned(mixed, (parts, ws) -> parts.get(0), 0, 1),
              () -> Interference.ofAdapters(mixed, WS))) {
        assertThatThrownBy(each)
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining(message);
      }
      try (LoraSum sum = LoraSum.exact(List.of(unknown, x), List.of(1.0, 1.0))) {
        sum.write(temp.resolve("sum"), DType.F32, false, WS);
      }
      try (LoraAdapter written = LoraAdapter.open(temp.resolve("sum"))) {
        written.requireBase(base, WS);
        assertThatThrownBy(() -> written.requireBase(another, WS))
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining("'m.weight' has other values");
      }
    }
  }

  /** Tensors have another order in memory than in a file; older records have that of either. */
  @Test
  void theOrderOfTensorsMakesNoOtherModel() throws IOException {
    try (MemoryCheckpoint one = ordered("b", "a", "c");
        MemoryCheckpoint same = ordered("c", "a", "b")) {
      Map<String, String> digests = LoraAdapter.baseDigests(one, WS);
      assertThat(digests).isEqualTo(LoraAdapter.baseDigests(same, WS));
      Map<String, String> older = new LinkedHashMap<>();
      digests.forEach(
          (key, text) -> {
            List<String> lines = new ArrayList<>(text.lines().toList());
            Collections.reverse(lines);
            older.put(key, String.join("\n", lines) + "\n");
          });
      assertThat(older).isNotEqualTo(digests);
      try (LoraAdapter a = inMemory(1, false, digests);
          LoraAdapter b = inMemory(1, false, older);
          LoraSum sum = LoraSum.exact(List.of(a, b), List.of(1.0, 1.0))) {
        assertThat(sum.tensors().metadata()).isEqualTo(digests);
        b.requireBase(one, WS);
      }
    }
  }

  @Test
  void factorsMadeHereAreCheckedToo() {
    try (MemoryCheckpoint alone =
        MemoryCheckpoint.of(
            Map.of(LoraAdapter.nameOfA("m"), Adapters.tensor(DType.F32, new double[][] {{1}})))) {
      LoraAdapter.Settings settings = new LoraAdapter.Settings("made here", "", 1, 1, false);
      assertThatThrownBy(() -> LoraAdapter.of(settings, alone))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("without its B");
    }
    assertThatThrownBy(() -> new LoraAdapter.Settings("x", "", 0, 1, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rank must be 1 or more and alpha finite, not 0 and 1.0");
  }
}
