// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Rope;

/** What transformers 5.18 computes of models that it wrote; see fixtures/transformers/make.py. */
class HuggingFaceTest {
  /** It has norms and angles in F32. */
  private static final double TOLERANCE = 2e-5;

  @TempDir Path temp;

  private final Workspace ws = Workspace.open();

  @AfterEach
  void close() {
    ws.close();
  }

  private static Path fixture(String name) {
    try {
      return Path.of(HuggingFaceTest.class.getResource("/fixtures/transformers/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** I64 [sequences x tokens]. */
  private int[][] ids(Checkpoint io, String name) throws IOException {
    try (Tensor stored = io.read(name, ws)) {
      int[][] ids = new int[(int) stored.dim(0)][(int) stored.dim(1)];
      for (int i = 0; i < stored.size(); i++) {
        ids[i / ids[0].length][i % ids[0].length] = (int) stored.memory().getLong(8L * i);
      }
      return ids;
    }
  }

  private double[] values(Checkpoint checkpoint, String name) throws IOException {
    try (Tensor stored = checkpoint.read(name, ws)) {
      return stored.toDoubleArray();
    }
  }

  static void assertClose(String what, double[] found, double[] wanted) {
    assertThat(found).as(what).hasSameSizeAs(wanted);
    double scale = Math.max(1, Arrays.stream(wanted).map(Math::abs).max().orElse(0));
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).as("%s %d", what, i).isCloseTo(wanted[i], within(TOLERANCE * scale));
    }
  }

  private static TransformerNetwork network(String name) throws IOException {
    return TransformerNetwork.of(TransformerConfig.read(fixture(name)));
  }

  private static Checkpoint open(String name) throws IOException {
    return Safetensors.open(fixture(name + "/model.safetensors"));
  }

  private static Checkpoint io(String name) throws IOException {
    return Safetensors.open(fixture(name + "/io.safetensors"));
  }

  /**
   * Llama with scaled rotary embedding, GPT-2, BERT with two types of tokens; and what was written
   * here.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {"llama3", "gpt2", "bert", "written/llama3", "written/qwen2", "written/qwen3"})
  void outputs(String name) throws IOException {
    for (DType precision : List.of(DType.F32, DType.F64)) {
      TransformerNetwork network = network(name).in(precision);
      try (Checkpoint stored = open(name);
          Checkpoint io = io(name);
          TransformerSession session =
              network.open(CanonicalCheckpoint.of(stored, network.config()), ws);
          Tensor found =
              session.logits(
                  ids(io, "ids"), io.tensors().containsKey("types") ? ids(io, "types") : null)) {
        assertThat(found.shape()).containsExactly(io.info("output").dims());
        assertClose(name, found.toDoubleArray(), values(io, "output"));
      }
    }
  }

  private static TransformerConfig scaled() {
    return GoldenModel.TIED
        .config()
        .with("rope", Optional.of(new Rope(100, Optional.of(new Llama3Scaling(8, 1, 4, 32)))));
  }

  /** The folders that transformers read are those that are written. */
  @Test
  void whatIsWrittenIsWhatItRead() throws IOException {
    Map<String, TransformerConfig> configs =
        Map.of(
            "llama3", scaled(),
            "qwen2", GoldenModel.QWEN2.config(),
            "qwen3", GoldenModel.QWEN3.config());
    for (Map.Entry<String, TransformerConfig> model : configs.entrySet()) {
      Path folder = temp.resolve(model.getKey());
      try (MemoryCheckpoint exact = GoldenModel.weights(model.getValue(), 0);
          MemoryCheckpoint single = MemoryCheckpoint.copyOf(exact.as(DType.F32), ws);
          DecoderTraining trained =
              new DecoderTraining(model.getValue(), single, List.of(), List.of())) {
        trained.writeTo(folder, ws);
      }
      String there = "written/" + model.getKey();
      for (String file : List.of("config.json", "model.safetensors")) {
        assertThat(folder.resolve(file)).hasSameBinaryContentAs(fixture(there).resolve(file));
      }
    }
  }

  @Test
  void whatHasOtherNamesIsNotWritten() throws IOException {
    try (MemoryCheckpoint theta = GoldenModel.GPT2.weights();
        DecoderTraining trained =
            new DecoderTraining(GoldenModel.GPT2.config(), theta, List.of(), List.of())) {
      assertThatThrownBy(() -> trained.writeTo(temp.resolve("gpt2"), ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("tensors of models of type 'gpt2' have other names and orders");
      assertThat(temp.resolve("gpt2")).doesNotExist();
    }
  }

  @Test
  void activationsAreThoseOfItsLayers() throws IOException {
    Set<String> taps = new HashSet<>();
    for (Tap tap : Tap.values()) {
      taps.addAll(Set.of(tap.of(0), tap.of(1)));
    }
    try (Checkpoint theta = open("llama3");
        Checkpoint io = io("llama3");
        Tensor ids = io.read("ids", ws);
        TransformerSession session = network("llama3").in(DType.F64).open(theta, ws)) {
      Set<String> seen = new HashSet<>();
      session.run(
          ids,
          Mode.EVAL,
          taps,
          (tap, x) -> {
            seen.add(tap);
            assertThat(x.shape()).containsExactly(io.info("tap." + tap).dims());
            assertClose(tap, x.toDoubleArray(), values(io, "tap." + tap));
          });
      assertThat(seen).isEqualTo(taps);
    }
  }

  @Test
  void lossAndGradient() throws IOException {
    for (DType precision : List.of(DType.F32, DType.F64)) {
      TransformerNetwork network = network("llama3").in(precision);
      try (Checkpoint theta = open("llama3");
          Checkpoint io = io("llama3");
          TransformerNetwork.Gradient found =
              network.gradient(theta, TokenWindows.of(List.of(ids(io, "ids"))), ws)) {
        assertThat(found.loss()).isCloseTo(values(io, "loss")[0], within(TOLERANCE));
        assertThat(found.gradient().tensors()).isEqualTo(network.parameters());
        for (String name : network.parameters().keySet()) {
          assertClose(name, values(found.gradient(), name), values(io, "grad." + name));
        }
      }
    }
  }
}
