// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;
import org.merganser.torch.recurrent.SequenceTasks.Characters;

/** What fails leaves no memory behind. */
class RnnMemoryTest {
  private static final long LITTLE = 1 << 20;

  @Test
  void statesThatATextCarriesOn() throws IOException {
    int hidden = 256;
    int streams = 4000;
    VanillaRnn rnn = VanillaRnn.of(2, hidden, 2, Plain.RELU);
    // States of a window a step: 1, 1e20, and infinite after the third.
    Sequences text = Characters.of("ab".repeat(2 * streams)).windows(streams, 1);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint theta = rnn.initialise(1)) {
      fill(theta.tensor(VanillaRnn.U), 1);
      fill(theta.tensor(VanillaRnn.V), 1e20 / hidden);
      fill(theta.tensor(VanillaRnn.W), 0);
      try (RnnSession session = rnn.open(theta, ws)) {
        long before = Natives.allocatedBytes();
        assertThatThrownBy(() -> session.score(text))
            .isInstanceOf(NumericalException.class)
            .hasMessageContaining("is Infinity after step 0 of sequence 2 (");
        assertThat(Natives.allocatedBytes() - before).isLessThan(LITTLE);
      }
    }
  }

  private static void fill(Tensor tensor, double value) {
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, value);
    }
  }

  @Test
  @SuppressWarnings("try")
  void shapesOfUnitsThatAreRefused() throws IOException {
    int count = 1_000_000;
    try (Workspace ws = VanillaRnn.host();
        Tensor n = Tensor.zeros(DType.F32, count);
        Tensor s = Tensor.zeros(DType.F32, count)) {
      fill(n, 5);
      s.set(count - 1, Double.NaN);
      for (Gamma gamma : new Gamma[] {Gamma.of(Mode.STATIC, 5, .5), sigmoid()}) {
        long before = Natives.allocatedBytes();
        assertThatThrownBy(
                () ->
                    Libtorch.call(
                        1,
                        () -> {
                          try (Shared of = new Shared(Map.of(VanillaRnn.N, n, VanillaRnn.S, s));
                              GammaOps ops = new GammaOps(gamma, of.all(), true, ws)) {
                            return null;
                          }
                        }))
            .isInstanceOf(NumericalException.class)
            .hasMessage("the saturation s of unit 999999 is NaN");
        assertThat(Natives.allocatedBytes() - before).isLessThan(LITTLE);
      }
    }
  }

  private static Gamma sigmoid() {
    return Gamma.of(Mode.HETEROGENEOUS, 5, .5).withConstraint(RecurrentUnit.Constraint.SIGMOID);
  }
}
