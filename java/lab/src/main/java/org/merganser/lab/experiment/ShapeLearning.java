// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;

/** How n and s of recurrent units are learned, from a start that all share. */
public enum ShapeLearning {
  /** Not at all. */
  STATIC(Mode.STATIC),
  /** One pair for all units. */
  HOMOGENEOUS(Mode.HOMOGENEOUS),
  /** A pair for each unit. */
  HETEROGENEOUS(Mode.HETEROGENEOUS),
  /** A pair for each unit, in the second half of training; the first is that of {@link #STATIC}. */
  LATE(Mode.HETEROGENEOUS);

  private final Mode mode;

  ShapeLearning(Mode mode) {
    this.mode = mode;
  }

  /** Name in files and rows. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  Mode mode() {
    return mode;
  }

  /** Step of a training from which on n and s are learned, if they are. */
  long from(long steps) {
    return this == LATE ? steps / 2 : 0;
  }
}
