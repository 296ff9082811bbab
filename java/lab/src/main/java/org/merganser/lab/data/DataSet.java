// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.torch.Examples;

/**
 * Training, validation and test examples, standardised.
 *
 * @param name as shown in reports
 * @param train what models are trained on
 * @param validation training examples that no model is trained on, those after {@code train}, at
 *     most {@value #VALIDATION}: what choices are made on. Empty when all are used for training
 * @param pixels how images were standardised; empty for other data
 */
public record DataSet(
    String name,
    Examples train,
    Optional<Examples> validation,
    Examples test,
    Optional<PixelScale> pixels)
    implements AutoCloseable {
  /** Most validation examples. */
  public static final int VALIDATION = 2000;

  /**
   * Inputs are {@code (pixel - mean) / sd}, pixels scaled to [0, 1].
   *
   * @param mean one for each channel, or a single one for all of them
   * @param sd their standard deviations, likewise
   */
  public record PixelScale(List<Double> mean, List<Double> sd) {
    public PixelScale {
      mean = List.copyOf(mean);
      sd = List.copyOf(sd);
      if (mean.isEmpty() || mean.size() != sd.size()) {
        throw new IllegalArgumentException(mean.size() + " means and " + sd.size() + " deviations");
      }
    }

    /** The same scale for all channels. */
    public static PixelScale of(double mean, double sd) {
      return new PixelScale(List.of(mean), List.of(sd));
    }

    double mean(int channel) {
      return mean.get(mean.size() == 1 ? 0 : channel);
    }

    double sd(int channel) {
      return sd.get(sd.size() == 1 ? 0 : channel);
    }
  }

  /** Number of values of one sample. */
  public long inputSize() {
    return train.inputs().size() / train.size();
  }

  /** Shape of one sample: {@code [values]} or {@code [channels, height, width]}. */
  public long[] inputShape() {
    long[] shape = train.inputs().shape();
    return Arrays.copyOfRange(shape, 1, shape.length);
  }

  /** The examples that choices are made on: {@link #validation}, else the training examples. */
  public Examples selection() {
    return validation.orElse(train);
  }

  @Override
  public void close() {
    train.close();
    validation.ifPresent(Examples::close);
    test.close();
  }
}
