// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;
import org.merganser.torch.recurrent.Sequences.Change;

/** How the inputs that a trained network meets differ from those it knows, pixels in [0, 1]. */
enum InputShift {
  /** As they were: what more steps give without any change. */
  SAME(new Change.Affine(1, 0)),
  HALVED(new Change.Affine(0.5, 0)),
  DOUBLED(new Change.Affine(2, 0)),
  LIFTED(new Change.Affine(1, 0.2)),
  /** The authors' wave of the test. */
  WAVE(new Change.Sin(1, 0, 0.5)),
  /** The authors' steps 200 to 400 of 784. */
  STEP(new Change.Step(1, 200.0 / 784, 400.0 / 784));

  private final Change change;

  InputShift(Change change) {
    this.change = change;
  }

  Change change() {
    return change;
  }

  String id() {
    return name().toLowerCase(Locale.ROOT);
  }
}
