// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.testing.Models;

/** What PEFT makes of its adapters (fixtures/peft/make.py), and what is made of them here. */
class PeftParityTest {
  /** Of the largest element of a tensor; terms are of its order, and F32 in both. */
  private static final double TOLERANCE = 4e-7;

  private static final List<Double> WEIGHTS = List.of(0.7, -0.4);

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"plain", "other", "rich", "transposed", "pickled"})
  void folded(String name) throws IOException {
    String expected = name.equals("pickled") ? "plain" : name;
    try (Checkpoint base = open("base");
        LoraAdapter adapter = LoraAdapter.open(Adapters.fixture(name));
        Checkpoint peft = open(expected + "-folded")) {
      Checkpoint folded = adapter.fold(base);
      assertThat(folded.tensors()).isEqualTo(base.tensors());
      Models.assertClose(name, folded, peft, TOLERANCE, WS);
      for (String target : adapter.targets()) {
        assertThat(folded.read(target, WS).sameBytes(base.read(target, WS))).isFalse();
      }
    }
  }

  /**
   * One pair of factors for queries, keys and values, and one for what comes out, whose change PEFT
   * 0.21 adds twice: its layer of attention does, and so does the layer within.
   */
  @Test
  void attention() throws IOException {
    String out = "block.attention.out_proj.weight";
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(open("attention-base"));
      Checkpoint peft = opened.add(open("attention-folded"));
      LoraAdapter adapter = opened.add(LoraAdapter.open(Adapters.fixture("attention")));
      assertThat(adapter.layers()).hasSize(3);
      assertThat(adapter.layers().get("block.attention.in_proj_weight").rank()).isEqualTo(3);
      Checkpoint folded = adapter.fold(base);
      Models.assertClose(
          "folded",
          folded.where(name -> !name.equals(out)),
          peft.where(name -> !name.equals(out)),
          TOLERANCE,
          WS);
      for (String target : adapter.targets()) {
        assertThat(folded.read(target, WS).sameBytes(base.read(target, WS))).isFalse();
      }
      double[] plain = base.read(out, WS).toDoubleArray();
      double[] once = folded.read(out, WS).toDoubleArray();
      double[] twice = peft.read(out, WS).toDoubleArray();
      for (int i = 0; i < plain.length; i++) {
        assertThat(twice[i]).isCloseTo(plain[i] + 2 * (once[i] - plain[i]), within(1e-6));
      }
      LoraSum halves = LoraSum.exact(List.of(adapter, adapter), List.of(0.5, 0.5));
      halves.write(folder, DType.F32, false, WS);
      LoraAdapter written = opened.add(LoraAdapter.open(folder));
      assertThat(written.tensors().tensors().keySet())
          .isEqualTo(adapter.tensors().tensors().keySet());
      assertThat(folder.resolve("adapter_config.json")).content().doesNotContain("out_proj");
      Models.assertClose("sum", written.fold(base), folded, 2 * TOLERANCE, WS);
    }
  }

  /** PEFT's cat, stacked; its svd, and ours which never forms a weight. */
  @ParameterizedTest
  @ValueSource(strings = {"cat", "svd"})
  void combined(String kind) throws IOException {
    boolean cat = kind.equals("cat");
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(open("base"));
      List<LoraAdapter> adapters =
          List.of(
              opened.add(LoraAdapter.open(Adapters.fixture(cat ? "plain" : "first"))),
              opened.add(LoraAdapter.open(Adapters.fixture(cat ? "other" : "second"))));
      LoraSum sum = cat ? LoraSum.exact(adapters, WEIGHTS) : LoraSum.ofRank(adapters, WEIGHTS, 2);
      sum.write(folder, DType.F32, false, WS);
      LoraAdapter written = opened.add(LoraAdapter.open(folder));
      Checkpoint peft = opened.add(open(kind + "-folded"));
      Models.assertClose(kind, written.fold(base), peft, 2 * TOLERANCE, WS);
    }
  }

  /** What is written here (fixtures/peft/trained), and what PEFT makes of it (load.py). */
  @Test
  void writtenHereAndFoldedThere() throws IOException {
    try (LoraAdapter trained = Adapters.trained();
        Checkpoint base = open("base");
        Checkpoint peft = open("trained-folded")) {
      trained.write(folder, false, WS);
      for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
        assertThat(folder.resolve(file))
            .hasSameBinaryContentAs(Adapters.fixture("trained").resolve(file));
      }
      Models.assertClose("trained", trained.fold(base), peft, TOLERANCE, WS);
    }
  }

  /** Tensors bit by bit, the configuration as it is, whatever it says. */
  @ParameterizedTest
  @ValueSource(strings = {"plain", "rich", "transposed"})
  void readAndWritten(String name) throws IOException {
    Path there = Adapters.fixture(name);
    try (LoraAdapter adapter = LoraAdapter.open(there)) {
      adapter.write(folder, false, WS);
      try (LoraAdapter again = LoraAdapter.open(folder)) {
        Models.assertSameBits(name, again.tensors(), adapter.tensors(), WS);
        assertThat(again.layers()).isEqualTo(adapter.layers());
        assertThat(folder.resolve("adapter_config.json"))
            .hasSameTextualContentAs(there.resolve("adapter_config.json"));
      }
    }
  }

  @Test
  void doraIsRefusedByItsKey() {
    org.assertj.core.api.Assertions.assertThatThrownBy(
            () -> LoraAdapter.open(Adapters.fixture("dora")))
        .isInstanceOf(org.merganser.error.FormatException.class)
        .hasMessageContaining("adapter_config.json: 'use_dora': DoRA also scales");
  }

  private static Checkpoint open(String name) throws IOException {
    return Safetensors.open(Adapters.fixture(name + ".safetensors"));
  }
}
