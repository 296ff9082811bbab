// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.stream.IntStream;
import org.merganser.torch.Examples;

/**
 * One of several tasks of a shared network, in four parts that have nothing in common.
 *
 * @param name as shown in reports
 * @param classes the classes of its labels, increasing: of all of the data, or some
 * @param pretraining its share of what the shared network is trained on; clean
 * @param train what an expert is trained on
 * @param noisy which labels of {@code train} are wrong on purpose
 * @param heldOut what choices are made on; clean
 * @param test clean
 */
public record ExpertTask(
    String name,
    int[] classes,
    Examples pretraining,
    Examples train,
    boolean[] noisy,
    Examples heldOut,
    Examples test)
    implements AutoCloseable {

  public ExpertTask {
    classes = classes.clone();
    noisy = noisy.clone();
    if (noisy.length != train.size()) {
      throw new IllegalArgumentException(
          "%s: %d flags of noise for %d training examples"
              .formatted(name, noisy.length, train.size()));
    }
  }

  @Override
  public int[] classes() {
    return classes.clone();
  }

  @Override
  public boolean[] noisy() {
    return noisy.clone();
  }

  /** Which training examples have a wrong label, increasing. */
  public int[] noisySamples() {
    return IntStream.range(0, noisy.length).filter(i -> noisy[i]).toArray();
  }

  @Override
  public void close() {
    pretraining.close();
    train.close();
    heldOut.close();
    test.close();
  }
}
