// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;

/** What {@link CkaMapExperiment} moves a map to. */
public enum CkaTarget {
  /** All layers alike. */
  ONES,
  /** No layer like another. */
  IDENTITY,
  /** The map itself, first and last layer alike. */
  FAR_PAIR,
  /** A picture of eight layers. */
  TREE,
  /** The map of the second model. */
  OTHER,
  /** The map of an untrained network. */
  UNTRAINED;

  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
