// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Optional;
import org.merganser.torch.Examples;

/**
 * Training and test examples, standardised.
 *
 * @param name as shown in reports
 * @param pixels how images were standardised; empty for other data
 */
public record DataSet(String name, Examples train, Examples test, Optional<PixelScale> pixels)
    implements AutoCloseable {

  /**
   * Inputs are {@code (pixel - mean) / sd}, pixels scaled to [0, 1].
   *
   * @param mean of all pixels of the training images used
   * @param sd their standard deviation (division by n)
   */
  public record PixelScale(double mean, double sd) {}

  /** Number of values of one sample. */
  public long inputSize() {
    return train.inputs().size() / train.size();
  }

  @Override
  public void close() {
    train.close();
    test.close();
  }
}
