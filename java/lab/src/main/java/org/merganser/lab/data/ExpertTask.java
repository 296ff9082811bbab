// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.stream.IntStream;
import org.merganser.torch.Examples;

/** One of several tasks of a shared network, in four parts that have nothing in common. */
public final class ExpertTask implements AutoCloseable {
  private final String name;
  private final int[] classes;
  private final Examples pretraining;
  private final Examples train;
  private final boolean[] noisy;
  private final Examples heldOut;
  private final Examples test;

  /** It owns what it is made of. */
  ExpertTask(
      String name,
      int[] classes,
      Examples pretraining,
      Examples train,
      boolean[] noisy,
      Examples heldOut,
      Examples test) {
    this.name = name;
    this.classes = classes.clone();
    this.pretraining = pretraining;
    this.train = train;
    this.noisy = noisy.clone();
    this.heldOut = heldOut;
    this.test = test;
  }

  /** As shown in reports. */
  public String name() {
    return name;
  }

  /** The classes of its labels, increasing: of all of the data, or some. */
  public int[] classes() {
    return classes.clone();
  }

  /** Its share of what the shared network is trained on; clean. */
  public Examples pretraining() {
    return pretraining;
  }

  /** What an expert is trained on. */
  public Examples train() {
    return train;
  }

  /** Which labels of {@link #train} are wrong on purpose. */
  public boolean[] noisy() {
    return noisy.clone();
  }

  /** Training examples whose label is wrong, increasing. */
  public int[] noisySamples() {
    return IntStream.range(0, noisy.length).filter(i -> noisy[i]).toArray();
  }

  /** What choices are made on, such as when to stop; clean. */
  public Examples heldOut() {
    return heldOut;
  }

  /** Clean. */
  public Examples test() {
    return test;
  }

  @Override
  public void close() {
    pretraining.close();
    train.close();
    heldOut.close();
    test.close();
  }
}
