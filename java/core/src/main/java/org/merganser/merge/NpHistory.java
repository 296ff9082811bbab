// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.List;
import org.merganser.model.EarlyStopping;

/**
 * How a run of {@link NpMerger} has gone so far.
 *
 * @param losses of the batch of each step
 * @param fingerprint of the models that are merged
 */
record NpHistory(List<Double> losses, EarlyStopping stopping, Fingerprint fingerprint) {
  NpHistory(NpMerger.Options options) {
    this(
        new ArrayList<>(),
        new EarlyStopping(options.evalEvery(), options.patience()),
        new Fingerprint());
  }

  /** Steps made. */
  long step() {
    return losses.size();
  }
}
