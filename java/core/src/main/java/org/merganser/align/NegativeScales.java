// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Role;

/**
 * Scales of normalisations below 0 that a dense map will mix with others. Only a network says which
 * layer a sign can be moved to, so they are counted here and left alone.
 */
final class NegativeScales {
  private NegativeScales() {}

  /** Nothing, or one warning with the numbers. */
  static List<String> warnings(Alignment alignment, Checkpoint model, Workspace ws) {
    long all = 0;
    long negative = 0;
    try {
      for (FeatureSpace space : alignment.architecture().spaces()) {
        if (!Side.isDense(alignment.map(space.id()))) {
          continue;
        }
        for (Binding binding : space.bindings()) {
          if (binding.role() == Role.NORM_SCALE) {
            try (Tensor scale = model.read(binding.tensor(), ws)) {
              all += scale.size();
              for (long i = 0; i < scale.size(); i++) {
                negative += scale.get(i) < 0 ? 1 : 0;
              }
            }
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return negative == 0
        ? List.of()
        : List.of(
            negative
                + " of "
                + all
                + " scales of normalisations are negative; dense maps mix features, and those of"
                + " scales of different sign cancel in part; make them positive first"
                + " (BatchNormFold.positive, which needs the network)");
  }
}
