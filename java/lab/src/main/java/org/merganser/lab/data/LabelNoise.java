// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.SplittableRandom;
import org.merganser.internal.Seeds;

/**
 * Labels some of which are wrong: of {@code rate n} of them, drawn without replacement, each is one
 * of the other classes, all equally likely.
 *
 * @param labels with the wrong ones
 * @param noisy which are wrong
 */
record LabelNoise(int[] labels, boolean[] noisy) {

  static void requireRate(double rate) {
    if (!(rate >= 0 && rate <= 1)) {
      throw new IllegalArgumentException(
          "label noise is the share of wrong labels, 0 to 1, not " + rate);
    }
  }

  /**
   * @param classes what labels can be
   * @param name of the stream of random numbers
   */
  static LabelNoise of(int[] labels, int[] classes, double rate, long seed, String name) {
    requireRate(rate);
    int wrong = (int) Math.round(rate * labels.length);
    if (wrong > 0 && classes.length < 2) {
      throw new IllegalArgumentException(name + ": one class has no wrong labels");
    }
    int[] order = Seeds.order(labels.length, seed, name + "/order");
    SplittableRandom random = Seeds.stream(seed, name + "/labels");
    int[] changed = labels.clone();
    boolean[] noisy = new boolean[labels.length];
    for (int k = 0; k < wrong; k++) {
      int i = order[k];
      int other = random.nextInt(classes.length - 1);
      // The place of the right class is taken by the last one.
      changed[i] = classes[other] == labels[i] ? classes[classes.length - 1] : classes[other];
      noisy[i] = true;
    }
    return new LabelNoise(changed, noisy);
  }
}
