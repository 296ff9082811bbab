// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;

/** Names and shapes of parameters: what a network has, reads, adopts and refuses. */
class RnnParametersTest {
  private final Workspace ws = Workspace.builder().threads(1).seed(1).open();

  @AfterEach
  void close() {
    ws.close();
  }

  @Test
  void namesAreThoseOfTorchAndAreSaid() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 6, 3, Gamma.of(RecurrentUnit.Mode.STATIC, 5, .5));
    assertThat(rnn.parameters().keySet())
        .containsExactly(
            "weight_ih_l0",
            "weight_hh_l0",
            "bias_ih_l0",
            "gain_l0",
            "saturation_l0",
            "readout.weight",
            "readout.bias");
    assertThat(rnn.learned()).doesNotContain("gain_l0", "saturation_l0").hasSize(5);
    assertThat(rnn.withUnit(Plain.TANH).withBias(false).parameters()).hasSize(4);
    try (MemoryCheckpoint tanh = rnn.withUnit(Plain.TANH).initialise(1)) {
      assertThatThrownBy(() -> rnn.open(tanh, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("gain_l0");
      assertThatThrownBy(() -> rnn.withUnit(Plain.TANH).withBias(false).open(tanh, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("'bias_ih_l0' would not be read");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "gain_l0, units of TANH have no shape",
    "saturation_l0, units of TANH have no shape",
    "weight_ih_l1, one layer",
    "bias_hh_l12, one layer",
    "weight_hh_l0_reverse, one layer",
    "gain_l1, one layer",
    "bias_hh_l0, store the sum"
  })
  void whatWouldNotBeReadIsRefused(String name, String why) throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 6, 3, Plain.TANH);
    try (MemoryCheckpoint theta = rnn.initialise(1)) {
      Map<String, Tensor> more = new LinkedHashMap<>();
      theta.tensors().keySet().forEach(key -> more.put(key, theta.tensor(key).copy()));
      more.put(name, Tensor.zeros(DType.F32, 6));
      more.put("embedding.weight", Tensor.zeros(DType.F32, 6));
      try (MemoryCheckpoint deeper = MemoryCheckpoint.of(more)) {
        assertThatThrownBy(() -> rnn.open(deeper, ws))
            .isInstanceOf(IncompatibleModelsException.class)
            .hasMessageContaining("'" + name + "' would not be read; ")
            .hasMessageContaining(why)
            .hasMessageNotContaining("embedding");
      }
    }
  }

  @Test
  void whatCannotBeAdoptedIsRefusedByName() throws IOException {
    VanillaRnn fixed = VanillaRnn.of(4, 5, 3, Gamma.of(RecurrentUnit.Mode.STATIC, 2.5, .25));
    VanillaRnn tanh = fixed.withUnit(Plain.TANH);
    try (MemoryCheckpoint plain = tanh.initialise(1);
        MemoryCheckpoint gamma = fixed.initialise(1)) {
      refused(() -> fixed.adopt(plain, ws), "gain_l0", "saturation_l0");
      refused(() -> tanh.adopt(gamma, ws), "'gain_l0' would not be read; units of TANH");
      refused(
          () -> fixed.withBias(false).adopt(gamma, ws),
          "'bias_ih_l0' would not be read; the network has no bias");
    }
    VanillaRnn wider = VanillaRnn.of(4, 6, 3, Gamma.of(RecurrentUnit.Mode.HETEROGENEOUS, 5, 0));
    try (MemoryCheckpoint theta = wider.initialise(1)) {
      refused(
          () -> fixed.adopt(theta, ws),
          "'weight_ih_l0' is F32 [6, 4], the network has F32 [5, 4]",
          "'gain_l0' is F32 [6], the network has F32 [5]");
    }
    try (MemoryCheckpoint theta = fixed.initialise(1)) {
      Map<String, Tensor> more = new LinkedHashMap<>();
      theta.tensors().keySet().forEach(key -> more.put(key, theta.tensor(key).copy()));
      more.put("embedding.weight", Tensor.zeros(DType.F32, 6));
      try (MemoryCheckpoint embedded = MemoryCheckpoint.of(more)) {
        refused(
            () -> fixed.adopt(embedded, ws),
            "'embedding.weight' would not be read; the network has [weight_ih_l0, ");
      }
    }
  }

  private static void refused(ThrowableAssert.ThrowingCallable call, String... named) {
    assertThatThrownBy(call)
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContainingAll(named);
  }
}
