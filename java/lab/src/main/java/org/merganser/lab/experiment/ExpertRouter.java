// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;

/** What decides which experts of a mixture an input goes to. */
public enum ExpertRouter {
  ARROW,
  MEAN_ACTIVATION,
  RANDOM;

  /** As on the command line, and in tables. */
  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
