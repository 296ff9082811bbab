// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

/** How normalisations behave in a forward pass: stored statistics, or those of the batch. */
public enum Mode {
  EVAL,
  TRAIN
}
