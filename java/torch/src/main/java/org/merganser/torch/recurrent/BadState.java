// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.Optional;
import org.merganser.linalg.Tensor;
import org.merganser.torch.internal.Bridge;

/**
 * The first state that is not finite, by steps, then sequences, then units.
 *
 * @param step from 0
 */
record BadState(int step, int sequence, int unit, double value) {

  /**
   * @param states [steps x sequences x hidden]
   */
  static Optional<BadState> find(Tensor states) {
    int sequences = Math.toIntExact(states.dim(1));
    int hidden = Math.toIntExact(states.dim(2));
    for (int t = 0; t < states.dim(0); t++) {
      double[] values = states.rows(t, t + 1).toDoubleArray();
      for (int i = 0; i < values.length; i++) {
        if (!Double.isFinite(values[i])) {
          return Optional.of(new BadState(t, i / hidden % sequences, i % hidden, values[i]));
        }
      }
    }
    return Optional.empty();
  }

  /**
   * Throws when a state is not finite. Inside of libtorch and the caller's scope.
   *
   * @param which sequences they are of, for the message
   */
  static void refuse(org.bytedeco.pytorch.Tensor states, int... which) {
    if (!isFinite(states)) {
      throw new RnnTraining.Diverged(describe(states, which).orElseThrow());
    }
  }

  static boolean isFinite(org.bytedeco.pytorch.Tensor values) {
    return values.isfinite().all().item_bool();
  }

  /** What is not finite first, of states of some sequences. */
  static Optional<String> describe(org.bytedeco.pytorch.Tensor states, int... which) {
    try (Tensor copy = Bridge.copy(states)) {
      return find(copy)
          .map(bad -> new BadState(bad.step, which[bad.sequence], bad.unit, bad.value).toString());
    }
  }

  /** The same of a batch that begins with another sequence. */
  BadState after(int sequences) {
    return new BadState(step, sequence + sequences, unit, value);
  }

  @Override
  public String toString() {
    return "the state of unit "
        + unit
        + " is "
        + value
        + " after step "
        + step
        + " of sequence "
        + sequence
        + " (all from 0), the first that is not finite";
  }
}
