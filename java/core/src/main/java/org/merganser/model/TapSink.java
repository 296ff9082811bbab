// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import org.merganser.linalg.Tensor;

/** Receives activations during a forward pass. */
@FunctionalInterface
public interface TapSink {
  /**
   * @param tap what was asked for: id of a feature space, tap of a layer, or {@link Network#OUTPUT}
   * @param activations [samples x features] or [samples x features x positions...]; valid until the
   *     next run of the session or its close
   */
  void accept(String tap, Tensor activations) throws IOException;
}
