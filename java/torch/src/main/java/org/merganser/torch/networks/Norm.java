// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

import java.util.List;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.LayerNorm;

/** Which normalisation follows each convolution of a network. */
public enum Norm {
  NONE,
  BATCH,
  /** Over the features at each position. */
  LAYER;

  /** The layer, or nothing. */
  List<Layer> layers(String name, long features) {
    return switch (this) {
      case NONE -> List.of();
      case BATCH -> List.of(new BatchNorm(name, features));
      case LAYER -> List.of(new LayerNorm(name, features));
    };
  }
}
