// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Set;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;
import org.merganser.torch.recurrent.VanillaRnn;

/** What of a trained network follows inputs of other statistics. */
enum Adaptation {
  NOTHING("nothing", Mode.STATIC),
  SHARED_SHAPE("n, s of all units", Mode.HOMOGENEOUS),
  OWN_SHAPE("n, s of each unit", Mode.HETEROGENEOUS),
  ALL("all parameters", Mode.HETEROGENEOUS);

  private final String id;
  private final Mode mode;

  Adaptation(String id, Mode mode) {
    this.id = id;
    this.mode = mode;
  }

  String id() {
    return id;
  }

  Mode mode() {
    return mode;
  }

  /** Names of what is trained. */
  Set<String> learned(VanillaRnn rnn) {
    return switch (this) {
      case NOTHING -> Set.of();
      case SHARED_SHAPE, OWN_SHAPE -> rnn.shape();
      case ALL -> rnn.learned();
    };
  }
}
