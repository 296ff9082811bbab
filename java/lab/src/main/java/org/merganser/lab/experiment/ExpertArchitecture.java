// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Locale;

/** The network that experts are made of. */
public enum ExpertArchitecture {
  /** A perceptron. */
  MLP,
  /** Three convolutions and a hidden layer. */
  CNN,
  /** A small vision transformer. */
  VIT;

  /** As on the command line. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  boolean readsPlanes() {
    return this != MLP;
  }
}
