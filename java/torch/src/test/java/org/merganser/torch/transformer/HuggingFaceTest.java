// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Llama3Scaling;
import org.merganser.transformer.TransformerConfig.Rope;

/** What transformers 5.18 computes of models that it wrote; see fixtures/transformers/make.py. */
class HuggingFaceTest {
  /** It has norms and angles in F32. */
  private static final double TOLERANCE = 2e-5;

  private static final TransformerConfig LLAMA3 =
      TransformerConfig.llama(40, 24, 2, 4, 2, 8, 32)
          .with("tied", true)
          .with("rope", Optional.of(new Rope(100, Optional.of(new Llama3Scaling(8, 1, 4, 32)))));

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

  @Test
  void scaledRotaryEmbedding() throws IOException {
    for (DType precision : List.of(DType.F32, DType.F64)) {
      try (Checkpoint theta = Safetensors.open(fixture("llama3/model.safetensors"));
          Checkpoint io = Safetensors.open(fixture("llama3/io.safetensors"));
          TransformerSession session = TransformerNetwork.of(LLAMA3).in(precision).open(theta, ws);
          Tensor logits = session.logits(ids(io, "ids"))) {
        assertClose("logits", logits.toDoubleArray(), values(io, "output"));
      }
    }
  }

  @Test
  void activationsAreThoseOfItsLayers() throws IOException {
    Set<String> taps = new HashSet<>();
    for (Tap tap : Tap.values()) {
      taps.addAll(Set.of(tap.of(0), tap.of(1)));
    }
    try (Checkpoint theta = Safetensors.open(fixture("llama3/model.safetensors"));
        Checkpoint io = Safetensors.open(fixture("llama3/io.safetensors"));
        Tensor ids = io.read("ids", ws);
        TransformerSession session = TransformerNetwork.of(LLAMA3).in(DType.F64).open(theta, ws)) {
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
      TransformerNetwork network = TransformerNetwork.of(LLAMA3).in(precision);
      try (Checkpoint theta = Safetensors.open(fixture("llama3/model.safetensors"));
          Checkpoint io = Safetensors.open(fixture("llama3/io.safetensors"));
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
